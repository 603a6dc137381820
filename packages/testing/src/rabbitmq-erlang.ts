/** What rabbitmqctl does, asked of the node itself: in milliseconds, where rabbitmqctl takes a second of processor time to start. */
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, realpathSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'

const WHO = '<<"test">>'

/**
 * The Erlang expression for a command of rabbitmqctl, or undefined for one that only rabbitmqctl itself can carry out. Each is the call that
 * the command makes (`rabbitmq/rabbitmq-server:deps/rabbitmq_cli/lib/rabbitmq/cli/ctl/commands`).
 */
export function asErlang(command: readonly string[]): string | undefined {
  const [name = '', ...args] = command
  return Object.hasOwn(COMMANDS, name) ? COMMANDS[name]?.(args) : undefined
}

const COMMANDS: Readonly<Record<string, (args: readonly string[]) => string | undefined>> = {
  eval: ([expression = '']) => expression,
  stop_app: () => 'rabbit:stop().',
  start_app: () => 'rabbit:start().',
  // The alarm is set by a message of its own: asking for the alarms waits until every connection has been told.
  set_vm_memory_high_watermark: ([fraction = '']) =>
    `ok = vm_memory_monitor:set_vm_memory_high_watermark(${Number(fraction)}), rabbit_alarm:get_alarms(), ok.`,
  add_user: ([user = '', password = '']) =>
    `rabbit_auth_backend_internal:add_user(${binary(user)}, ${binary(password)}, ${WHO}).`,
  change_password: ([user = '', password = '']) =>
    `rabbit_auth_backend_internal:change_password(${binary(user)}, ${binary(password)}, ${WHO}).`,
  set_permissions: ([user = '', ...rights]) =>
    `rabbit_auth_backend_internal:set_permissions(${binary(user)}, <<"/">>, ${rights.map(binary).join()}, ${WHO}).`,
  clear_permissions: ([user = '']) =>
    `rabbit_auth_backend_internal:clear_permissions(${binary(user)}, <<"/">>, ${WHO}).`,
  set_policy: args => {
    const [name = '', pattern = '', definition = ''] = args.filter(arg => arg !== '--apply-to' && arg !== 'queues')
    const values = [name, pattern, definition].map(binary).join()
    return `rabbit_policy:parse_set(<<"/">>, ${values}, 0, <<"queues">>, ${WHO}).`
  },
  clear_policy: ([name = '']) => `rabbit_policy:delete(<<"/">>, ${binary(name)}, ${WHO}).`,
}

/** Gives a text with a line for each queue: name, ready, unacknowledged, consumers. */
export const QUEUES = `lists:flatten([io_lib:format("~ts ~b ~b ~b~n", [element(4, proplists:get_value(name, Q)) |
  [proplists:get_value(Key, Q) || Key <- [messages_ready, messages_unacknowledged, consumers]]]) ||
  Q <- rabbit_amqqueue:info_all(<<"/">>, [name, messages_ready, messages_unacknowledged, consumers])]).`

/** One row of `rabbitmqctl list_queues`. */
export interface QueueState {
  name: string
  messages_ready: number
  messages_unacknowledged: number
  consumers: number
}

/** Lines as `QUEUES` gives them, which Erlang prints as a string, or as an empty list. */
export function parseQueues(printed: string): QueueState[] {
  const text: unknown = JSON.parse(printed)
  const lines = typeof text === 'string' ? text.trimEnd().split('\n') : []
  return lines.map(line => {
    const [name = '', ready, unacknowledged, consumers] = line.split(' ')
    return {
      name,
      messages_ready: Number(ready),
      messages_unacknowledged: Number(unacknowledged),
      consumers: Number(consumers),
    }
  })
}

function binary(text: string): string {
  // JSON's escapes are Erlang's; erl_call takes what it reads for Latin-1.
  const ascii = JSON.stringify(text).replaceAll(/[^ -~]/gu, char => `\\x{${char.codePointAt(0)?.toString(16)}}`)
  return `<<${ascii}/utf8>>`
}

/** Erlang's own program for calls to a node; undefined where it is not installed. */
export function findErlCall(): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean)
  const erl = folders.map(folder => join(folder, 'erl')).find(file => existsSync(file))
  if (erl === undefined) return undefined
  const root = dirname(dirname(realpathSync(erl)))
  const places = readdirSync(root)
    .filter(name => name.startsWith('erts-'))
    .map(name => join(root, name, 'bin', 'erl_call'))
  return places.find(file => existsSync(file))
}

/** Resolves with the value of the expression, as Erlang prints it. Rejects with what went wrong there. */
export function erlCall(
  program: string,
  node: { distPort: string; cookie: string; folder: string },
  expression: string,
) {
  const args = ['-r', '-address', `localhost:${node.distPort}`, '-c', node.cookie, '-timeout', '180', '-e']
  return new Promise<string>((resolve, reject) => {
    const child = execFile(program, args, { cwd: node.folder, timeout: 180_000 }, (error, stdout, stderr) => {
      const value = /^\{ok, (.*)\}\s*$/s.exec(stdout)?.[1]
      if (error !== null) reject(new Error(`${stdout}${stderr}` || error.message))
      else if (value === undefined || /^\{(error|badrpc|error_string)\b/.test(value)) reject(new Error(stdout))
      else resolve(value)
    })
    child.stdin?.on('error', () => {})
    child.stdin?.end(`${expression}\n`)
  })
}
