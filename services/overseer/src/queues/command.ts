// `overseer queues`: depth, consumers and rates of the queues that are known.
import { resolve } from 'node:path'
import { counted, type ServiceCommands, say, sayJson, timeOf, withBroker } from '@cuckoo-distributed/core'
import { type OverseerConfig, ownQueues } from '../config.js'
import { listDumps } from '../dumps/envelope.js'
import { lookAtQueues, type QueueState } from './looks.js'
import { ManagementApi } from './management.js'
import { askForPipeline, type Pipeline } from './pipeline.js'

export const queuesCommand: ServiceCommands<OverseerConfig>[number] = {
  usage: 'queues [names..]',
  summary:
    "Shows depth, consumers and rate of the pipeline's queues, as far as events and dumps name them, and of NAMES.",
  options: {
    json: { type: 'boolean', describe: 'As one JSON document' },
    seconds: {
      type: 'number',
      default: 2,
      requiresArg: true,
      describe: 'Seconds between the two measurements for a rate; 0: one measurement',
    },
  },
  async run(config, { stop }, args) {
    const asked = Array.isArray(args.names) ? args.names.map(String) : []
    await using management = config.ManagementURL === '' ? undefined : new ManagementApi(config)
    const options = { seconds: Number(args.seconds) || 0, management }
    const { pipeline, states } = await withBroker(config, stop, async connection => {
      const known = await askForPipeline(connection, config)
      const names = await knownQueues(config, [...asked, ...Object.keys(known.consumers).sort()])
      return { pipeline: known, states: await lookAtQueues(connection, names, options, stop) }
    })
    const problems = [...pipeline.problems, ...(management?.problem ? [`ManagementURL: ${management.problem}`] : [])]
    const queues = states.map(state => ({ ...state, service: pipeline.consumers[state.name] }))
    if (args.json === true) sayJson({ queues, open: pipeline.open, rooms: pipeline.rooms, problems })
    else for (const line of [...table(queues), ...openSamples(pipeline), ...problems]) say(line)
    return states.some(({ state }) => state === 'unknown') ? 1 : 0
  },
}

/** Each once, in this order. */
async function knownQueues(config: OverseerConfig, first: readonly string[]): Promise<string[]> {
  const dumps = await listDumps(resolve(config.DumpDir))
  const dumped = dumps.flatMap(({ failed }) => (failed ? [failed.queue] : []))
  return [...new Set([...first, ...dumped.sort(), ...ownQueues(config).map(({ name }) => name)])]
}

function openSamples({ open }: Pipeline): string[] {
  if (open === undefined) return []
  const { count, oldest } = open
  const since = oldest && `; the oldest is ${oldest.analysis}, since ${timeOf(oldest.since)} UTC`
  return [`${counted(count, 'sample')} under way${since ?? ''}`]
}

const HEADINGS = ['queue', 'messages', 'consumers', 'change/s', 'unacked', 'in/s', 'out/s', 'service']

function isText(column: number): boolean {
  return column === 0 || column === HEADINGS.length - 1
}

/** A dash where nobody tells. */
function table(states: readonly (QueueState & { readonly service: string | undefined })[]): string[] {
  const rows = states.map(state => {
    const { name, changePerSecond, unacked, inPerSecond, outPerSecond } = state
    if (state.state === 'unknown') return [name, state.why]
    if (state.state === 'missing') return [name, 'does not exist']
    const rates = [
      signed(changePerSecond),
      shown(unacked),
      shown(inPerSecond),
      shown(outPerSecond),
      state.service ?? '',
    ]
    return [name, shown(state.messages), shown(state.consumers), ...rates]
  })
  const all = [HEADINGS, ...rows]
  const widths = HEADINGS.map((heading, i) => {
    const cells = all.filter(row => row.length === HEADINGS.length || i === 0).map(row => row[i]?.length ?? 0)
    return Math.max(heading.length, ...cells)
  })
  const aligned = (cell: string, i: number) => (isText(i) ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))
  return all.map(row => row.map(aligned).join('  ').trimEnd())
}

function shown(value: number | undefined): string {
  return value === undefined ? '-' : String(Math.round(value * 10) / 10)
}

function signed(value: number | undefined): string {
  return value !== undefined && value > 0 ? `+${shown(value)}` : shown(value)
}
