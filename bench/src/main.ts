// npm run bench [-- NAME…] [-- --write]: runs the benchmarks and prints their tables; `--write` also renews their tables in docs/performance.md.
// npm run bench -- distributed [PART…]: runs bench/distributed.mjs, whose figures are written down by hand.
import { spawnSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { availableParallelism, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'
import { startRabbitMq } from '@cuckoo-distributed/testing'
import type { Suite } from './bench.js'
import { bundleChildren } from './bundle.js'
import { renewed } from './document.js'
import { backlog } from './suites/backlog.js'
import { cold } from './suites/cold.js'
import { dropped } from './suites/dropped.js'
import { events } from './suites/events.js'
import { feed } from './suites/feed.js'
import { halfBroken } from './suites/half-broken.js'
import { overseer } from './suites/overseer.js'
import { pipeline } from './suites/pipeline.js'
import { report } from './suites/report.js'
import { watch } from './suites/watch.js'
import { where } from './suites/where.js'
import { toMarkdown } from './table.js'

const SUITES: Readonly<Record<string, Suite>> = {
  report,
  dropped,
  feed,
  backlog,
  watch,
  pipeline,
  events,
  overseer,
  cold,
  'half-broken': halfBroken,
  where,
}

const DOCS = new URL('../../../docs/', import.meta.url)

const args = process.argv.slice(2)
if (args[0] === 'distributed') {
  // It needs no broker, and its parts are asked for one by one.
  const script = fileURLToPath(new URL('../../distributed.mjs', import.meta.url))
  process.exit(spawnSync(process.execPath, [script, ...args.slice(1)], { stdio: 'inherit' }).status ?? 1)
}
const wanted = args.filter(arg => arg !== '--write')
const unknown = wanted.filter(name => SUITES[name] === undefined)
if (unknown.length > 0) {
  console.error(`no benchmark ${unknown.join(', ')}; there are: ${Object.keys(SUITES).join(', ')}`)
  process.exit(2)
}
await run(wanted.length === 0 ? Object.keys(SUITES) : wanted, args.includes('--write'))

async function run(names: readonly string[], write: boolean): Promise<void> {
  const measured = new Map<string, string>()
  await bundleChildren()
  await using broker = await startRabbitMq()
  for (const name of names) {
    const tables = (await SUITES[name]?.({ amqp: broker.url })) ?? []
    const text = tables.map(toMarkdown).join('\n')
    measured.set(name, text)
    console.log(`## ${name}\n\n${text}`)
  }
  if (!write) return
  const file = fileURLToPath(new URL('performance.md', DOCS))
  const sections = [...Object.keys(SUITES), 'distributed']
  const document = renewed(await readFile(file, 'utf8'), preface(), sections, measured)
  await writeFile(file, document)
}

function preface(): string {
  const gib = Math.round(totalmem() / 1024 ** 3)
  return `# Performance

Tables written by \`npm run bench -- --write\` on ${availableParallelism()} cores and ${gib} GiB of memory with Node ${process.versions.node}; see [bench/README.md](../bench/README.md)
for what the columns and the baselines are. Trust ratios more than times: both sides of a ratio are measured in turn, but other work may run beside.
`
}
