/** What a private RabbitMQ node needs before it can start: programs, environment, config files, ports. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import type { ProcessGuard } from './process-guard.js'

/** `rabbitmq-server` is not on this machine. */
export class RabbitMqMissingError extends Error {
  override readonly name = 'RabbitMqMissingError'
  readonly code = 'RABBITMQ_MISSING'
  constructor() {
    super(
      'rabbitmq-server is not installed: run `apt-get update && apt-get install --no-install-recommends rabbitmq-server` ' +
        'as root, or start a broker with `docker run -p 127.0.0.1:5672:5672 rabbitmq:4` and set RABBITMQ_URL',
    )
  }
}

/** The folder with `rabbitmq-server` and `rabbitmqctl`. */
export function findPrograms(): string {
  // /usr/sbin is not in every user's PATH. What the Debian and RPM packages put there are wrappers that switch to the
  // user rabbitmq and refuse everybody but root; the programs themselves run for any user.
  const wrapped = ['/usr/sbin', '/usr/bin', '/sbin', '/bin']
  const folders = [...(process.env.PATH ?? '').split(delimiter).filter(Boolean), ...wrapped]
  const found = folders.find(folder => isProgram(join(folder, 'rabbitmq-server')))
  if (found === undefined) throw new RabbitMqMissingError()
  const packaged = '/usr/lib/rabbitmq/bin'
  return wrapped.includes(found) && isProgram(join(packaged, 'rabbitmq-server')) ? packaged : found
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Variables as in RabbitMQ's guide to several nodes on one machine (`rabbitmq/rabbitmq-website:docs/clustering.md`). */
export function nodeEnvironment(
  folder: string,
  { epmdPort, distPort, address }: { epmdPort: number; distPort: number; address: string },
): NodeJS.ProcessEnv {
  const isLocal = address === '127.0.0.1'
  const foreign = /^(RABBITMQ_|ERL_|NOTIFY_SOCKET$)/
  const kept = Object.entries(process.env).filter(([name]) => !foreign.test(name))
  return {
    ...Object.fromEntries(kept),
    HOME: folder,
    ERL_EPMD_PORT: String(epmdPort),
    ERL_EPMD_ADDRESS: address,
    ERL_CRASH_DUMP_SECONDS: '0',
    // Makes the start script become the Erlang machine instead of waiting for it as a child, so that our child's exit
    // is the node's exit (`rabbitmq/rabbitmq-server:deps/rabbit/scripts/rabbitmq-server`).
    RUNNING_UNDER_SYSTEMD: 'true',
    // A long name may be an address, so no host need be known by name.
    RABBITMQ_NODENAME: `test-${distPort}@${isLocal ? 'localhost' : address}`,
    RABBITMQ_USE_LONGNAME: isLocal ? 'false' : 'true',
    RABBITMQ_DIST_PORT: String(distPort),
    RABBITMQ_MNESIA_BASE: join(folder, 'data'),
    RABBITMQ_LOG_BASE: join(folder, 'log'),
    RABBITMQ_GENERATED_CONFIG_DIR: join(folder, 'generated'),
    RABBITMQ_CONF_ENV_FILE: join(folder, 'rabbitmq-env.conf'),
    RABBITMQ_CONFIG_FILE: join(folder, 'rabbitmq.conf'),
    RABBITMQ_CONFIG_FILES: join(folder, 'conf.d'),
    RABBITMQ_ADVANCED_CONFIG_FILE: join(folder, 'advanced.config'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'enabled_plugins'),
  }
}

/** Writes every file that the node would else look for in /etc/rabbitmq or in the user's home. */
export async function writeConfig(
  folder: string,
  node: {
    address: string
    port: number
    user: string
    password: string
    cookie: string
    extra: readonly string[]
    plugins: readonly string[]
  },
): Promise<void> {
  const { address, port, user, password, cookie, extra, plugins } = node
  const lines = [
    `listeners.tcp.1 = ${address}:${port}`,
    `default_user = ${user}`,
    `default_pass = ${password}`,
    'log.console = true',
    'log.file = false',
    'disk_free_limit.absolute = 10MB',
    ...extra,
  ]
  await writeFile(join(folder, 'rabbitmq.conf'), `${lines.join('\n')}\n`, { mode: 0o600 })
  await writeFile(join(folder, 'rabbitmq-env.conf'), '')
  await writeFile(join(folder, 'advanced.config'), '[].\n')
  await writeFile(join(folder, 'enabled_plugins'), `[${plugins.join(',')}].\n`)
  await writeFile(join(folder, '.erlang.cookie'), cookie, { mode: 0o400 })
}

/** A port on 127.0.0.1 that nobody listens on at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Where a node runs, when not beside the test. */
export interface NodeHost {
  namespace: string
  address: string
}

/** RabbitMQ would start epmd as a daemon that outlives the node; an epmd that is already there is used. */
export async function startEpmd(port: number, guard: ProcessGuard, host?: NodeHost): Promise<void> {
  const args = ['-address', host?.address ?? '127.0.0.1', '-port', String(port)]
  const epmd = spawn(...inside(host, 'epmd', args), { detached: true, stdio: 'ignore' })
  await once(epmd, 'spawn')
  if (epmd.pid !== undefined) guard.watch(epmd.pid)
  epmd.unref()
}

/** The command as it is run on a host. */
export function inside(host: NodeHost | undefined, command: string, args: readonly string[]): [string, string[]] {
  return host === undefined ? [command, [...args]] : ['ip', ['netns', 'exec', host.namespace, command, ...args]]
}

export function killGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL')
  } catch (error: unknown) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}
