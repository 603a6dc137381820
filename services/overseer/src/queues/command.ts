// `overseer queues`: depth, consumers and rates of the queues that are known.
import { resolve } from 'node:path'
import type { ServiceCommands } from '@cuckoo-distributed/core'
import { type OverseerConfig, ownQueues } from '../config.js'
import { listDumps } from '../dumps/envelope.js'
import { say, sayJson } from '../dumps/terminal.js'
import { lookAtQueues, type QueueState } from './looks.js'
import { ManagementApi } from './management.js'

export const queuesCommand: ServiceCommands<OverseerConfig>[number] = {
  usage: 'queues [names..]',
  summary: 'Depth, consumers and rate of the queues of this overseer, of those that dumps name, and of NAMES.',
  options: {
    json: { type: 'boolean', describe: 'As one JSON document' },
    seconds: {
      type: 'number',
      default: 2,
      requiresArg: true,
      describe: 'Between the two looks that make a rate; 0: one look',
    },
  },
  async run(config, { stop }, args) {
    const names = await knownQueues(config, Array.isArray(args.names) ? args.names.map(String) : [])
    await using management = config.ManagementURL === '' ? undefined : new ManagementApi(config)
    const states = await lookAtQueues(config, names, { seconds: Number(args.seconds) || 0, management }, stop)
    if (args.json === true) sayJson({ queues: states, ...(management?.problem && { management: management.problem }) })
    else {
      for (const line of table(states)) say(line)
      if (management?.problem) say(`ManagementURL: ${management.problem}`)
    }
    return states.some(({ state }) => state === 'unknown') ? 1 : 0
  },
}

/** Each once; those that are asked for first. */
async function knownQueues(config: OverseerConfig, asked: readonly string[]): Promise<string[]> {
  const dumps = await listDumps(resolve(config.DumpDir))
  const dumped = dumps.flatMap(({ failed }) => (failed ? [failed.queue] : []))
  return [...new Set([...asked, ...dumped.sort(), ...ownQueues(config).map(({ name }) => name)])]
}

const HEADINGS = ['queue', 'messages', 'consumers', 'change/s', 'unacked', 'in/s', 'out/s']

/** A dash where nobody tells. */
function table(states: readonly QueueState[]): string[] {
  const rows = states.map(state => {
    const { name, changePerSecond, unacked, inPerSecond, outPerSecond } = state
    if (state.state === 'unknown') return [name, state.why]
    if (state.state === 'missing') return [name, 'does not exist']
    const rates = [signed(changePerSecond), shown(unacked), shown(inPerSecond), shown(outPerSecond)]
    return [name, shown(state.messages), shown(state.consumers), ...rates]
  })
  const all = [HEADINGS, ...rows]
  const widths = HEADINGS.map((heading, i) => {
    const cells = all.filter(row => row.length === HEADINGS.length || i === 0).map(row => row[i]?.length ?? 0)
    return Math.max(heading.length, ...cells)
  })
  return all.map(row =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  '),
  )
}

function shown(value: number | undefined): string {
  return value === undefined ? '-' : String(Math.round(value * 10) / 10)
}

function signed(value: number | undefined): string {
  return value !== undefined && value > 0 ? `+${shown(value)}` : shown(value)
}
