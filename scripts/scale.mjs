// npm run scale [-- --samples N …]: what a number of samples a day needs, computed from unit costs that were measured on two cores
// (docs/performance.md, docs/distributed-cuckoo.md). `--help` lists the numbers. Prints a table of docs/scale.md for other numbers.
import { realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

/** What a site has; each is an option. */
export const NUMBERS = {
  samples: [1_000_000, 'samples a day'],
  peak: [3, 'how many times the average the busiest hour has'],
  'sample-kb': [200, 'size of a sample in KB'],
  'report-mb': [1, 'size of its JSON report in MB'],
  'archive-mb': [0.5, 'size of its dropped files and other formats in MB'],
  dropped: [2, 'dropped files that CRITs does not have yet'],
  'analysis-s': [150, 'seconds of an analysis, including what Cuckoo does after it'],
  'machines-per-node': [20, 'virtual machines of a node'],
  'days-kept': [7, 'days that distributed_cuckoo keeps tasks and reports'],
  'outage-h': [2, 'hours without CRITs or nodes for which the queues must have room'],
  'crits-calls': [12, 'calls to CRITs for an analysis, without its files: log, rows, status (assumed)'],
  'crits-ms': [50, 'milliseconds of a call in a process of CRITs (assumed)'],
  'node-mb-s': [30, 'MB/s that the only web thread of a Cuckoo sends (assumed)'],
}

/** Measured: `docs/performance.md`, but where it says otherwise. Milliseconds are of processor time for each sample. */
const COST = {
  feed: 11.2,
  check: 4.3,
  parsePerReport: 29,
  parsePerMb: 12,
  parsePerFile: 7.3,
  overseer: 4.8,
  // `bench/distributed.mjs lives`: submission, upload to a node, looks at it, reports, deletion.
  cluster: 28,
  // A row of `task` with its indexes 580, two of `report` 220 (PostgreSQL 15, a million tasks).
  rowBytes: 800,
  // Each ends with an fsync, but for what a group shares (decision 0075).
  transactions: 5,
  rowUpdates: 4,
  // A sample is base64 in two messages and goes on without; a message that waits costs so much beside its body.
  messages: 3,
  events: 6,
  messageBytes: 2000,
  // With a file that is new: the upload and its relation (bench `dropped`).
  critsCallsPerFile: 2,
}

const DAY = 86_400

/** The needs as rows: what, how much, where it ends and what to add first. */
export function needs(numbers = {}) {
  const n = { ...Object.fromEntries(Object.entries(NUMBERS).map(([name, [value]]) => [name, value])), ...numbers }
  const [mean, busy] = [n.samples / DAY, (n.samples / DAY) * n.peak]
  const cores = ms => (busy * ms) / 1000
  const parse = COST.parsePerReport + COST.parsePerMb * n['report-mb'] + COST.parsePerFile * n.dropped
  const sampleBytes = n['sample-kb'] * 1000
  const message = (sampleBytes * 4) / 3 + COST.messageBytes
  const machines = rate => rate * n['analysis-s']
  const nodeMb = n['sample-kb'] / 1000 + n['report-mb'] + n['archive-mb']
  const nodes = rate => Math.ceil(Math.max(machines(rate) / n['machines-per-node'], (rate * nodeMb) / n['node-mb-s']))
  const calls = n['crits-calls'] + COST.critsCallsPerFile * n.dropped
  const kept = n.samples * n['days-kept']
  return [
    ['samples a second, mean and busiest hour', `${short(mean)}, ${short(busy)}`, '', ''],
    [
      'virtual machines (nodes): on average, and in the busiest hour',
      `${short(machines(mean))} (${short(nodes(mean))}), ${short(machines(busy))} (${short(nodes(busy))})`,
      `the machines of a node, or the ${n['node-mb-s']} MB/s of its only web thread`,
      'nodes; everything else is cheap in comparison',
    ],
    [
      'RabbitMQ: messages a second, MB/s received',
      `${short(busy * (COST.messages + COST.events))}, ${short((busy * message) / 1e6)}`,
      'about 10,000 small messages a second; for large ones the disk',
      'a disk of its own, then quorum queues on three machines',
    ],
    [
      `RabbitMQ: GB in the queues after an outage of ${n['outage-h']} h`,
      short((mean * n['outage-h'] * 3600 * message) / 1e9),
      'the free-space alarm, which makes publishers wait',
      'disk: twice this size above `disk_free_limit`',
    ],
    ['feed_cuckoo, cores', short(cores(COST.feed)), 'one core for each process', 'instances'],
    [
      'check_results, cores',
      short(cores(COST.check)),
      'one core, or 10,000 watched tasks, for each process',
      'instances',
    ],
    ['parse_and_submit, cores', short(cores(parse)), 'one core for each process', 'instances'],
    ['overseer, cores', short(cores(COST.overseer)), 'one core: one overseer reads all events', 'a core of its own'],
    [
      'distributed_cuckoo: cores',
      short(cores(COST.cluster)),
      `one server schedules for all nodes: ${short(1000 / COST.cluster)} samples a second`,
      'a second cluster with half of the nodes',
    ],
    [
      'PostgreSQL: transactions and row updates a second',
      `${short(busy * COST.transactions)}, ${short(busy * COST.rowUpdates)}`,
      'the disk: 100 to 10,000 fsyncs a second',
      'a disk whose cache survives a power failure, then a machine of its own',
    ],
    [
      `PostgreSQL: GB after ${n['days-kept']} days`,
      short((kept * COST.rowBytes) / 1e9),
      'memory: about a fifth, which is read often, should fit into it',
      'memory, or keep fewer days',
    ],
    [
      `samples and reports: GB after ${n['days-kept']} days`,
      short((kept * (n['report-mb'] + n['archive-mb'])) / 1000 + (mean * n['analysis-s'] * 10 * sampleBytes) / 1e9),
      'the disk: below `MinFreeSpace` no more reports are collected',
      'disk, or keep fewer days',
    ],
    [
      'network to and from nodes, MB/s',
      short(busy * nodeMb),
      '110 MB/s on a 1 Gbit/s link',
      'a faster network for the server that schedules',
    ],
    [
      'CRITs: calls a second, processes',
      `${short(busy * calls)}, ${short((busy * calls * n['crits-ms']) / 1000)}`,
      'MongoDB: documents with up to 12 MB of results for each analysis',
      'WSGI processes, then machines; send less (`PushApiCallsMax`)',
    ],
  ]
}

export function scaleTable(numbers) {
  const head = '| What | Needed | Where it ends | What to add first |\n|---|---|---|---|\n'
  return `${head}${needs(numbers)
    .map(row => `| ${row.join(' | ')} |`)
    .join('\n')}\n`
}

export function numbersTable() {
  const rows = Object.entries(NUMBERS).map(([name, [value, meaning]]) => `| \`--${name}\` | ${value} | ${meaning} |`)
  return `| Option | Default | Meaning |\n|---|---|---|\n${rows.join('\n')}\n`
}

function short(value) {
  if (value >= 100) return Math.round(value).toLocaleString('en')
  return String(Number(value.toPrecision(2)))
}

function main() {
  const options = Object.fromEntries(Object.keys(NUMBERS).map(name => [name, { type: 'string' }]))
  const { values } = parseArgs({ options: { ...options, help: { type: 'boolean' } } })
  if (values.help) return console.log(numbersTable())
  const given = Object.entries(values).map(([name, text]) => [name, Number(text)])
  const wrong = given.find(([, value]) => !(value >= 0 && Number.isFinite(value)))
  if (wrong !== undefined) throw new RangeError(`--${wrong[0]} must be a number`)
  console.log(scaleTable(Object.fromEntries(given)))
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    main()
  } catch (error) {
    console.error(error.message)
    process.exitCode = 2
  }
}
