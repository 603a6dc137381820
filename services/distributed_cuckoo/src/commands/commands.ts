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
  json: { type: 'boolean', describe: 'Tell it as one JSON object' },
  url: { type: 'string', requiresArg: true, describe: 'Base URL of the server; default that of the configuration' },
} as const

const OF_TASKS = {
  owner: { type: 'string', requiresArg: true, describe: 'Only of this owner' },
  priority: { type: 'string', requiresArg: true, describe: 'Only of this priority' },
  sha256: { type: 'string', requiresArg: true, describe: 'Only of this sample' },
  limit: { type: 'string', requiresArg: true, describe: 'Most tasks; default all' },
} as const

export const commands: Commands<Run> = [
  {
    usage: 'nodes [action] [name]',
    summary: 'List the nodes, or drain (disable), enable or refresh one.',
    options: SERVER,
    positionals: {
      action: { type: 'string', choices: ['list', 'drain', 'enable', 'refresh'], default: 'list' },
      name: { type: 'string', describe: 'Name of the node' },
    },
    run: asking(nodes),
  },
  {
    usage: 'tasks [id]',
    summary: 'List tasks, or show one with why it waits and was tried again.',
    options: {
      ...SERVER,
      ...OF_TASKS,
      status: { type: 'string', requiresArg: true, describe: 'Only in this state, e.g. pending or failed' },
    },
    positionals: { id: { type: 'string', describe: 'Id of a task' } },
    run: asking(tasks),
  },
  {
    usage: 'reschedule [ids..]',
    summary: 'Have failed tasks tried again: these, or all that fit.',
    options: { ...SERVER, ...OF_TASKS, 'dry-run': { type: 'boolean', describe: 'Only tell which it would be' } },
    positionals: { ids: { type: 'string', array: true, describe: 'Ids of tasks' } },
    run: asking(reschedule),
  },
  {
    usage: 'purge <name>',
    summary: 'Disable a node and give its tasks to others.',
    options: {
      ...SERVER,
      fail: { type: 'boolean', describe: 'Its tasks fail instead' },
      forget: { type: 'boolean', describe: 'It never comes back: what it has is not asked for any more' },
    },
    positionals: { name: { type: 'string', describe: 'Name of the node' } },
    run: asking(purge),
  },
]

/** The command's exit code is 1 when the server refuses, or cannot be reached. */
function asking(command: (ask: Ask, args: Arguments) => Promise<Shown>): Run {
  return async (config, { args, shutdown }) => {
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

async function nodes(ask: Ask, { action, name }: Arguments): Promise<Shown> {
  if (action === 'list') {
    const answer = await ask('GET', '/status')
    return { answer, lines: nodeLines(answer) }
  }
  const path = `/node/${encodeURIComponent(needed(name, 'a node'))}`
  if (action === 'refresh') await ask('POST', `${path}/refresh`)
  else await ask('PUT', path, { form: { enabled: action === 'enable' ? '1' : '0' } })
  const answer = await ask('GET', path)
  return { answer, lines: outcomeLines(answer) }
}

async function tasks(ask: Ask, args: Arguments): Promise<Shown> {
  if (args.id === undefined) {
    const answer = await ask('GET', '/task', { query: filterOf(args) })
    return { answer, lines: taskLines(answer) }
  }
  const answer = await ask('GET', `/task/${encodeURIComponent(String(args.id))}`)
  return { answer, lines: outcomeLines(answer) }
}

async function reschedule(ask: Ask, args: Arguments): Promise<Shown> {
  const ids = Array.isArray(args.ids) ? args.ids.map(String) : []
  for (const id of ids) await ask('POST', `/task/${encodeURIComponent(id)}/reschedule`)
  const query = { ...filterOf(args), ...(args['dry-run'] === true && { dry_run: '1' }) }
  const answer = ids.length > 0 ? { tasks: ids.map(Number) } : await ask('POST', '/task/reschedule', { query })
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

function needed(value: unknown, what: string): string {
  if (value === undefined) throw new ConfigError('arguments', [`name ${what}`])
  return String(value)
}

function text(value: unknown): string | undefined {
  return value === undefined ? undefined : String(value)
}
