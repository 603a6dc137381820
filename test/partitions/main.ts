// npm run test:partitions [-- --only TEXT] [--write]: a cluster of three, each node on a host of its own, comes to pieces and is mended.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { freePort, type PrivateRabbitMq, startRabbitMq } from '@cuckoo-distributed/testing'
import { seeded } from '../faults/random-run.js'
import { startRig } from '../faults/rig.js'
import { type Cell, describe, type Outcome, problemsOf, runCell, undisturbedRows } from '../faults/run-cell.js'
import { tableOf, writeProof } from '../faults/table.js'
import { partitionCells, type Ratios, storm } from './cells.js'
import { canPartition, Network } from './network.js'

const HOSTS = 4
const { values } = parseArgs({
  options: {
    /** Only cells whose moment contains this. */
    only: { type: 'string', default: '' },
    /** Renews its table in docs/fault-table.md if nothing is wrong. */
    write: { type: 'boolean', default: false },
    /** Set by this program for itself, once it runs on the services' host: the name of the network. */
    network: { type: 'string' },
  },
})

if (values.write && values.only !== '') {
  console.error('--write needs a whole run, without --only')
  process.exit(2)
}
if (values.network !== undefined) process.exitCode = await runAll(Network.existing(values.network, HOSTS))
else if (await canPartition()) process.exitCode = await runOnItsHost(`cluster${process.pid}`)
else console.log('left out: only root can make network namespaces (and needs iproute2 for it)')

/** Makes the network and runs this program again on its last host. */
async function runOnItsHost(name: string): Promise<number> {
  await using network = await Network.create(name, HOSTS)
  const host = network.hosts.at(-1)?.namespace ?? ''
  const itself = [
    process.execPath,
    fileURLToPath(import.meta.url),
    '--network',
    name,
    '--only',
    values.only,
    ...(values.write ? ['--write'] : []),
  ]
  const child = spawn('ip', ['netns', 'exec', host, ...itself], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
  const [code] = await once(child, 'exit')
  return typeof code === 'number' ? code : 1
}

async function runAll(network: Network): Promise<number> {
  const started = performance.now()
  const outcomes: Outcome[] = []
  const problems: string[] = []
  const ratios: Ratios = new Map()
  const parts = [
    // A node is called down after about `net_ticktime`: soon, so that a cut of seconds is noticed, or only when copies pile up.
    {
      settings: ['cluster_partition_handling = pause_minority', 'net_ticktime = 5'],
      cells: partitionCells(network, ratios),
    },
    { settings: ['cluster_partition_handling = ignore', 'net_ticktime = 60'], cells: [storm(network, ratios)] },
  ]
  for (const { settings, cells } of parts) {
    const wanted = cells.filter(({ moment }) => moment.includes(values.only))
    if (wanted.length > 0) await runPart(network, settings, wanted, { outcomes, problems, ratios })
  }
  console.log(`\n${tableOf(outcomes)}`)
  console.log(problems.length === 0 ? `${outcomes.length} cells, nothing lost` : problems.join('\n'))
  if (problems.length > 0 || outcomes.length === 0) return 1
  if (values.write) {
    const minutes = (performance.now() - started) / 60_000
    const rows = [...ratios]
      .filter(([, ratio]) => ratio > 1)
      .map(([moment, ratio]) => `${ratio.toFixed(2)} (${moment})`)
    const remarks = [`Rows by those that there should be, where more than 1: ${rows.join('; ') || 'nowhere'}.`]
    await writeProof({ script: 'test:partitions --', minutes, outcomes, remarks })
  }
  return 0
}

async function runPart(
  network: Network,
  settings: readonly string[],
  cells: readonly Cell[],
  found: { readonly outcomes: Outcome[]; readonly problems: string[]; readonly ratios: Ratios },
): Promise<void> {
  const rig = await startRig({ quorum: true, holdLimit: 600, startNodes: () => startCluster(network, settings) })
  try {
    const rows = await undisturbedRows(rig)
    for (const [index, cell] of cells.entries()) {
      const begun = performance.now()
      const outcome = await runCell(rig, cell, rows, seeded(index))
      const problems = problemsOf(outcome)
      found.outcomes.push(outcome)
      found.problems.push(...problems)
      const seconds = ((performance.now() - begun) / 1000).toFixed(0)
      const state = `${problems.length === 0 ? 'ok' : 'FAILED'}, ${found.ratios.get(cell.moment)?.toFixed(2)} times the rows`
      console.log([`${cell.moment}: ${state} (${seconds} s)`, ...problems].join('\n  '))
    }
  } catch (error: unknown) {
    found.problems.push(`${settings.join(', ')}: ${describe(error)}`)
  } finally {
    await network.heal()
    await rig.close()
  }
}

async function startCluster(network: Network, config: readonly string[]): Promise<PrivateRabbitMq[]> {
  const account = { user: 'cuckoo', password: 'cuckoo', port: await freePort() }
  const nodes: PrivateRabbitMq[] = []
  for (const host of network.hosts.slice(0, 3)) {
    const [first] = nodes
    nodes.push(await startRabbitMq({ ...account, host, config, ...(first && { join: first }) }))
  }
  return nodes
}
