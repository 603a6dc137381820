/** A RabbitMQ node of our own: own port, name, epmd, cookie and folder, gone without a trace afterwards. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, open, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { connect } from 'amqplib'
import { ProcessGuard } from './process-guard.js'
import { asErlang, erlCall, findErlCall, parseQueues, QUEUES, type QueueState } from './rabbitmq-erlang.js'
import {
  findPrograms,
  freePort,
  inside,
  killGroup,
  type NodeHost,
  nodeEnvironment,
  startEpmd,
  writeConfig,
} from './rabbitmq-setup.js'
import { waitFor } from './wait-for.js'

const run = promisify(execFile)

/** The node did not come up, or a command to it failed; the message ends with the last lines of its log. */
export class RabbitMqError extends Error {
  override readonly name = 'RabbitMqError'
  readonly code = 'RABBITMQ_FAILED'
}

export interface RabbitMqOptions {
  /** Further lines of `rabbitmq.conf`, such as `consumer_timeout = 5000`. */
  config?: readonly string[]
  /** Plugins to switch on, such as `rabbitmq_management`. */
  plugins?: readonly string[]
  /** AMQP port on 127.0.0.1. Default: a free one. */
  port?: number
  /** User and password; letters and digits. Default: guest, guest. */
  user?: string
  password?: string
  /** A network namespace to run in, and its address there, in place of 127.0.0.1. Needs root. */
  host?: NodeHost
  /** How long a start may take, in milliseconds. Default 60,000. */
  deadlineMs?: number
  /** A node to form a cluster with; `user` and `password` are that node's. It must be stopped after this one. */
  join?: PrivateRabbitMq
}

/** Starts a private node and resolves when a client can log in. Throws RabbitMqMissingError or RabbitMqError. */
export async function startRabbitMq(options: RabbitMqOptions = {}): Promise<PrivateRabbitMq> {
  const programs = findPrograms()
  const folder = await mkdtemp(join(tmpdir(), 'rabbitmq-'))
  const guard = new ProcessGuard(folder)
  try {
    const { join: seed } = options
    const epmdPort = seed?.epmdPort ?? (await freePort())
    const port = options.port ?? (await freePort())
    const { user = 'guest', password = 'guest', deadlineMs = 120_000 } = options
    const { host } = options
    const address = host?.address ?? '127.0.0.1'
    const env = nodeEnvironment(folder, { epmdPort, distPort: await freePort(), address })
    // Only nodes with the same cookie talk to each other, and those of one epmd find each other.
    const cookie = seed?.cookie ?? `COOKIE${port}${process.pid}`
    const { config: extra = [], plugins = [] } = options
    await writeConfig(folder, { address, port, user, password, cookie, extra, plugins })
    // Every host has an epmd of its own, on the port that its cluster has agreed on.
    if (seed === undefined || host !== undefined) await startEpmd(epmdPort, guard, host)
    const url = `amqp://${user}:${password}@${address}:${port}`
    const node = new PrivateRabbitMq({
      url,
      port,
      folder,
      programs,
      env,
      guard,
      deadlineMs,
      epmdPort,
      cookie,
      host,
      erlCall: host ? undefined : findErlCall(),
    })
    await node.start()
    if (seed !== undefined) await node.join(seed)
    return node
  } catch (error: unknown) {
    await guard.release()
    throw error
  }
}

interface NodeParts {
  url: string
  port: number
  folder: string
  programs: string
  env: NodeJS.ProcessEnv
  guard: ProcessGuard
  deadlineMs: number
  epmdPort: number
  cookie: string
  host: NodeHost | undefined
  /** Not across hosts. */
  erlCall: string | undefined
}

export class PrivateRabbitMq {
  /** AMQP URL with user and password. */
  readonly url: string
  readonly port: number
  /** @internal */
  readonly epmdPort: number
  /** @internal */
  readonly cookie: string
  readonly #parts: NodeParts
  #server: ChildProcess | undefined

  /** @internal Use `startRabbitMq`. */
  constructor(parts: NodeParts) {
    this.url = parts.url
    this.port = parts.port
    this.epmdPort = parts.epmdPort
    this.cookie = parts.cookie
    this.#parts = parts
  }

  /** Starts the node after a `kill`, with the data it had; resolves when a client can log in. */
  async start(): Promise<void> {
    if (this.#server !== undefined) throw new RabbitMqError('the RabbitMQ node is running already')
    const { programs, env, folder, guard, deadlineMs, host } = this.#parts
    const log = await open(this.#logFile, 'a', 0o600)
    const server = spawn(...inside(host, join(programs, 'rabbitmq-server'), []), {
      cwd: folder,
      env,
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    })
    await Promise.all([once(server, 'spawn'), log.close()])
    if (server.pid !== undefined) guard.watch(server.pid)
    server.unref()
    this.#server = server
    try {
      await waitFor(() => this.#canLogIn(), { deadlineMs, everyMs: 50, describe: `RabbitMQ on port ${this.port}` })
    } catch (cause: unknown) {
      const tail = (await this.log()).split('\n').slice(-60).join('\n')
      throw new RabbitMqError(`RabbitMQ did not start; the end of its log:\n${tail}`, { cause })
    }
  }

  /** @internal Becomes a member of the cluster of another node; loses what it held. */
  async join(seed: PrivateRabbitMq): Promise<void> {
    await this.ctl('stop_app')
    await this.ctl('join_cluster', seed.#parts.env.RABBITMQ_NODENAME ?? '')
    await this.ctl('start_app')
  }

  /** Kills the node as a power cut would (SIGKILL) and resolves when it is gone. */
  async kill(): Promise<void> {
    const server = this.#server
    if (server?.pid === undefined) return
    this.#server = undefined
    server.ref()
    const gone = server.exitCode === null && server.signalCode === null ? once(server, 'exit') : undefined
    killGroup(server.pid)
    await gone
    this.#parts.guard.forget(server.pid)
  }

  /** Kills the node and starts it again with the same port and data. */
  async restart(): Promise<void> {
    await this.kill()
    await this.start()
  }

  /** Kills the node and its epmd and removes their folder; a second call does nothing. */
  async stop(): Promise<void> {
    await this.kill()
    await this.#parts.guard.release()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /**
   * Does what `rabbitmqctl` does, and returns what it would print, e.g. `ctl('stop_app')`, `ctl('start_app')`,
   * `ctl('set_vm_memory_high_watermark', '0')`, `ctl('close_all_connections', 'test')`.
   */
  async ctl(...args: string[]): Promise<string> {
    const expression = asErlang(args)
    return expression === undefined || this.#parts.erlCall === undefined
      ? this.rabbitmqctl(...args)
      : this.#eval(expression)
  }

  /** Runs `rabbitmqctl` itself, which takes about a second. */
  async rabbitmqctl(...args: string[]): Promise<string> {
    try {
      const { programs, folder, env, host } = this.#parts
      const command = inside(host, join(programs, 'rabbitmqctl'), ['--quiet', ...args])
      const { stdout } = await run(...command, {
        cwd: folder,
        env,
        timeout: 180_000,
        maxBuffer: 16 * 1024 * 1024,
      })
      return stdout
    } catch (cause: unknown) {
      throw new RabbitMqError(`rabbitmqctl ${args[0] ?? ''} failed: ${cause instanceof Error ? cause.message : ''}`, {
        cause,
      })
    }
  }

  /** The state of every queue, unacknowledged deliveries included. */
  async queues(): Promise<QueueState[]> {
    const columns = ['name', 'messages_ready', 'messages_unacknowledged', 'consumers'] as const
    if (this.#parts.erlCall !== undefined) return parseQueues(await this.#eval(QUEUES))
    const rows: QueueState[] = JSON.parse(await this.ctl('list_queues', ...columns, '--formatter', 'json'))
    return rows
  }

  async #eval(expression: string): Promise<string> {
    const { folder, cookie, env, erlCall: program = '' } = this.#parts
    try {
      return await erlCall(program, { folder, cookie, distPort: env.RABBITMQ_DIST_PORT ?? '' }, expression)
    } catch (cause: unknown) {
      throw new RabbitMqError(`${expression} failed: ${cause instanceof Error ? cause.message : ''}`, { cause })
    }
  }

  /** Everything the node has logged since its first start. */
  async log(): Promise<string> {
    return readFile(this.#logFile, 'utf8')
  }

  get #logFile(): string {
    return join(this.#parts.folder, 'node.log')
  }

  async #canLogIn(): Promise<boolean> {
    if (this.#server?.exitCode !== null) throw new RabbitMqError('the RabbitMQ process ended')
    try {
      const connection = await connect(this.url, { timeout: 5000 })
      await connection.close()
      return true
    } catch {
      return false
    }
  }
}
