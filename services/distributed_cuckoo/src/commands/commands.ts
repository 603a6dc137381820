/** What operators do with a running server from its command line: the requests of the API, in words. */
import { type Commands, ConfigError, type ProcessDefinition, say, sayJson } from '@cuckoo-distributed/core'
import { HttpError } from '@cuckoo-distributed/http'
import type { DistributedConfig } from '../config.js'
import { type Ask, withServer } from './ask.js'
import { nodeLines, outcomeLines, taskLines } from './text.js'

type Run = ProcessDefinition<DistributedConfig>['run']
type Arguments = Parameters<Run>[1]['args']

interface Shown {
  readonly answer: unknown
  readonly lines: readonly string[]
}

const SERVER = {
  json: { type: 'boolean', describe: 'As one JSON document' },
  url: { type: 'string', requiresArg: true, describe: 'Base URL of the server; default that of the configuration' },
  'token-file': { type: 'string', requiresArg: true, describe: 'File with the bearer token of the server' },
} as const

const OF_TASKS = {
  owner: { type: 'string', requiresArg: true, describe: 'Only of this owner' },
  priority: { type: 'string', requiresArg: true, describe: 'Only of this priority; with change: the new one' },
  sha256: { type: 'string', requiresArg: true, describe: 'Only of this sample' },
  limit: { type: 'string', requiresArg: true, describe: 'Most tasks; default all' },
} as const

const DRY = { 'dry-run': { type: 'boolean', describe: 'Only show which tasks it would be' } } as const

export const commands: Commands<Run> = [
  {
    usage: 'nodes [action] [name]',
    summary: 'List the nodes, or drain (disable), enable, limit or refresh one.',
    options: {
      ...SERVER,
      pending: { type: 'string', describe: 'With limit: pending tasks it may have; empty for any' },
    },
    positionals: {
      action: { type: 'string', choices: ['list', 'drain', 'enable', 'limit', 'refresh'], default: 'list' },
      name: { type: 'string', describe: 'Name of the node' },
    },
    run: asking(nodes),
  },
  {
    usage: 'tasks [action] [ids..]',
    summary: 'List or show tasks; delete finished ones; change or pin pending ones.',
    options: {
      ...SERVER,
      ...OF_TASKS,
      status: { type: 'string', requiresArg: true, describe: 'Only in this state, e.g. pending or failed' },
      ...DRY,
      tags: { type: 'string', describe: 'With change: the tags; empty for none' },
      node: { type: 'string', describe: 'With change: the only node that may have them; empty for any' },
    },
    positionals: {
      action: { type: 'string', describe: 'list, delete or change; or the id of a task to show', default: 'list' },
      ids: { type: 'string', array: true, describe: 'Ids of tasks; without them, all that match' },
    },
    run: asking(tasks),
  },
  {
    usage: 'reschedule [ids..]',
    summary: 'Retry failed tasks: these, or all that match.',
    options: { ...SERVER, ...OF_TASKS, ...DRY },
    positionals: { ids: { type: 'string', array: true, describe: 'Ids of tasks' } },
    run: asking(reschedule),
  },
  {
    usage: 'purge <name>',
    summary: 'Disable a node and reassign its tasks.',
    options: {
      ...SERVER,
      fail: { type: 'boolean', describe: 'Its tasks fail instead' },
      forget: { type: 'boolean', describe: 'It never comes back: its results are not fetched any more' },
    },
    positionals: { name: { type: 'string', describe: 'Name of the node' } },
    run: asking(purge),
  },
]

/** The command's exit code is 1 when the server refuses, or cannot be reached. */
function asking(command: (ask: Ask, args: Arguments) => Promise<Shown>): Run {
  return async (config, { args, shutdown }) => {
    checkArguments(args)
    const server = { url: text(args.url), signal: shutdown.stop }
    try {
      const { answer, lines } = await withServer(config, server, ask => command(ask, args))
      if (args.json === true) sayJson(answer)
      else for (const line of lines) say(line)
      return 0
    } catch (error: unknown) {
      if (!(error instanceof HttpError)) throw error
      process.stderr.write(`${error.message}\n`)
      return 1
    }
  }
}

async function nodes(ask: Ask, { action, name, pending }: Arguments): Promise<Shown> {
  if (action === 'list') {
    const answer = await ask('GET', '/status')
    return { answer, lines: nodeLines(answer) }
  }
  const path = `/node/${encodeURIComponent(needed(name, 'a node'))}`
  if (action === 'refresh') await ask('POST', `${path}/refresh`)
  else if (action === 'limit')
    await ask('PUT', path, { form: { max_pending: needed(pending, 'the limit as --pending') } })
  else await ask('PUT', path, { form: { enabled: action === 'enable' ? '1' : '0' } })
  const answer = await ask('GET', path)
  return { answer, lines: outcomeLines(answer) }
}

async function tasks(ask: Ask, args: Arguments): Promise<Shown> {
  const ids = idsOf(args)
  if (args.action === 'delete')
    return ids.length > 0 ? eachTask(ids, id => ask('DELETE', pathOf(id))) : deleteFitting(ask, args)
  if (args.action === 'change') return change(ask, ids, args)
  if (args.action === 'list') {
    const answer = await ask('GET', '/task', { query: filterOf(args) })
    return { answer, lines: taskLines(answer) }
  }
  if (!IS_ID.test(String(args.action)))
    throw new ConfigError('arguments', [`${args.action} is neither list, delete, change, nor the id of a task`])
  const answer = await ask('GET', pathOf(String(args.action)))
  return { answer, lines: outcomeLines(answer) }
}

async function deleteFitting(ask: Ask, args: Arguments): Promise<Shown> {
  const query = { ...filterOf(args), ...dryOf(args) }
  const answer = await ask('DELETE', '/task', { query })
  return { answer, lines: outcomeLines(answer) }
}

function change(ask: Ask, ids: readonly string[], { priority, tags, node }: Arguments): Promise<Shown> {
  if (ids.length === 0) throw new ConfigError('arguments', ['name the tasks to change'])
  const changes = Object.entries({ priority, tags, node }).filter(([, value]) => value !== undefined)
  if (changes.length === 0) throw new ConfigError('arguments', ['say what to change: --priority, --tags or --node'])
  const form = Object.fromEntries(changes.map(([name, value]) => [name, String(value)]))
  return eachTask(ids, id => ask('PUT', pathOf(id), { form }))
}

async function eachTask(ids: readonly string[], work: (id: string) => Promise<unknown>): Promise<Shown> {
  for (const id of ids) await work(id)
  const answer = { tasks: ids.map(Number) }
  return { answer, lines: outcomeLines(answer) }
}

function pathOf(id: string): string {
  return `/task/${encodeURIComponent(id)}`
}

async function reschedule(ask: Ask, args: Arguments): Promise<Shown> {
  const ids = idsOf(args)
  if (ids.length > 0) return eachTask(ids, id => ask('POST', `${pathOf(id)}/reschedule`))
  const answer = await ask('POST', '/task/reschedule', { query: { ...filterOf(args), ...dryOf(args) } })
  return { answer, lines: outcomeLines(answer) }
}

async function purge(ask: Ask, { name, fail, forget }: Arguments): Promise<Shown> {
  const form = { ...(fail === true && { fail: '1' }), ...(forget === true && { forget: '1' }) }
  const answer = await ask('POST', `/node/${encodeURIComponent(String(name))}/purge`, { form })
  return { answer, lines: outcomeLines(answer) }
}

function filterOf(args: Arguments): Record<string, string> {
  const names = ['owner', 'priority', 'sha256', 'limit', 'status']
  return Object.fromEntries(names.flatMap(name => (args[name] === undefined ? [] : [[name, String(args[name])]])))
}

function dryOf(args: Arguments): Record<string, string> {
  return args['dry-run'] === true ? { dry_run: '1' } : {}
}

const IS_ID = /^\d+$/
/** What the server would refuse by the names of its own fields. */
const FITS = [
  ['priority', /^-?\d+$/, 'a whole number'],
  ['limit', /^\d+$/, 'a whole number, 0 or more'],
  ['pending', /^\d*$/, 'a whole number, or empty for any'],
] as const

/** Names what does not fit as it was given. @throws ConfigError */
function checkArguments(args: Arguments): void {
  const wrong = FITS.filter(([name, fits]) => args[name] !== undefined && !fits.test(String(args[name])))
  const unknown = idsOf(args).filter(id => !IS_ID.test(id))
  const problems = [
    ...wrong.map(([name, , fits]) => `--${name} must be ${fits}`),
    ...unknown.map(id => `${id} is not the id of a task`),
  ]
  if (problems.length > 0) throw new ConfigError('arguments', problems)
}

function idsOf({ ids }: Arguments): string[] {
  return Array.isArray(ids) ? ids.map(String) : []
}

function needed(value: unknown, what: string): string {
  if (value === undefined) throw new ConfigError('arguments', [`name ${what}`])
  return String(value)
}

function text(value: unknown): string | undefined {
  return value === undefined ? undefined : String(value)
}
