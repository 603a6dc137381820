// One connection to the broker that is kept up: one back-off loop, one set-up function for the start and every loss.
import { Duplex } from 'node:stream'
import { backOff, delay, orAbort } from '@cuckoo-distributed/wait'
import { type ChannelModel, connect } from 'amqplib'
import { describeError, errorCode, ServiceError, toError } from '../errors.js'
import type { Logger } from '../logger.js'

const CONNECT_TIMEOUT_MS = 10_000
const HEARTBEAT_SECONDS = 30
/** A connection that lasted as long as this counts as a success. */
const STABLE_MS = 5_000
const LAST_CLOSE_MS = 3_000

/** What waiting cannot mend, found before the first successful set-up: wrong password, vhost, or queue arguments. */
export class BrokerRefusedError extends ServiceError {
  constructor(cause: Error) {
    super('BROKER_REFUSED', `the broker refused: ${refusalHelp(cause)}`, { cause })
  }
}

/** PEM texts for `amqps`; what is absent is Node's own choice. */
export interface TlsFiles {
  readonly ca?: Buffer
  readonly cert?: Buffer
  readonly key?: Buffer
}

export interface LinkOptions {
  /** `amqp://` or `amqps://`, credentials inside. */
  readonly url: string
  readonly tls?: TlsFiles | undefined
  /** Shown in the broker's list of connections. */
  readonly name: string
  readonly log: Logger
  /** Runs on every new connection before it counts as up. */
  setUp(connection: ChannelModel): Promise<void>
  /** Told when the connection that `setUp` saw is gone. */
  onLost?(cause: Error): void
}

export class BrokerLink {
  readonly #options: LinkOptions
  readonly #closing = new AbortController()
  readonly #waiters = new Set<{ resolve: (connection: ChannelModel) => void; reject: (error: Error) => void }>()
  #current: ChannelModel | undefined
  #blocked = false
  #everUp = false
  #failed: Error | undefined
  #loop: Promise<void> | undefined
  #drop: ((cause: Error) => void) | undefined

  constructor(options: LinkOptions) {
    this.#options = options
  }

  /** True while the broker says that it reads nothing from this connection (memory or disk alarm). */
  get blocked(): boolean {
    return this.#blocked
  }

  /**
   * Starts the loop and waits for the first successful set-up.
   * Rejects with BrokerRefusedError for what waiting cannot mend, with `signal.reason` when aborted.
   */
  async open(signal: AbortSignal): Promise<void> {
    this.#loop ??= this.#keepUp()
    await this.connected(signal)
  }

  /** The live connection; waits for one. Rejects with `signal.reason`, or once the link is closed. */
  async connected(signal: AbortSignal): Promise<ChannelModel> {
    if (this.#current) return this.#current
    if (this.#failed) throw this.#failed
    let waiter: { resolve: (connection: ChannelModel) => void; reject: (error: Error) => void } | undefined
    const up = new Promise<ChannelModel>((resolve, reject) => {
      waiter = { resolve, reject }
      this.#waiters.add(waiter)
    })
    try {
      return await orAbort(up, signal)
    } finally {
      if (waiter) this.#waiters.delete(waiter)
    }
  }

  /** Gives the present connection up, e.g. because one of its channels died; the loop makes a new one. */
  drop(cause: Error): void {
    this.#drop?.(cause)
  }

  async close(): Promise<void> {
    const reason = new ServiceError('LINK_CLOSED', 'the connection to the broker was closed')
    this.#closing.abort(reason)
    this.drop(reason)
    await this.#loop
  }

  async #keepUp(): Promise<void> {
    const { log } = this.#options
    const pause = backOff({ initialMs: 200, maxMs: 15_000 })
    let lastProblem = ''
    while (!this.#closing.signal.aborted) {
      let upAt = Number.POSITIVE_INFINITY
      try {
        const cause = await this.#oneConnection(() => {
          log.info('connected to the broker')
          lastProblem = ''
          upAt = performance.now()
        })
        if (performance.now() - upAt > STABLE_MS) pause.reset()
        if (!this.#closing.signal.aborted)
          log.warn({ cause: describeError(cause) }, 'lost the connection to the broker')
      } catch (thrown) {
        const error = toError(thrown)
        if (this.#closing.signal.aborted) break
        if (!this.#everUp && isRefusal(error)) return this.#fail(new BrokerRefusedError(error))
        const problem = describeError(error)
        if (problem !== lastProblem) log.warn({ cause: problem }, 'cannot reach the broker; waiting for it')
        lastProblem = problem
      }
      await delay(pause.next(), this.#closing.signal).catch(() => undefined)
    }
    this.#fail(toError(this.#closing.signal.reason))
  }

  /** Connects, sets up, and resolves with the cause once the connection is lost. Rejects when it never came up. */
  async #oneConnection(onUp: () => void): Promise<Error> {
    const connection = await this.#connect()
    const lost = this.#watch(connection)
    try {
      const early = await Promise.race([this.#options.setUp(connection).then(() => undefined), lost])
      if (early) throw early
      this.#everUp = true
      this.#current = connection
      onUp()
      for (const waiter of this.#waiters) waiter.resolve(connection)
      return await lost
    } finally {
      this.#current = undefined
      this.#blocked = false
      await quietly(connection)
    }
  }

  async #connect(): Promise<ChannelModel> {
    const connecting = connect(withHeartbeat(this.#options.url), {
      ...this.#options.tls,
      timeout: CONNECT_TIMEOUT_MS,
      clientProperties: { connection_name: this.#options.name },
    })
    try {
      return await orAbort(connecting, this.#closing.signal)
    } catch (error) {
      if (this.#closing.signal.aborted) connecting.then(quietly, () => undefined)
      throw error
    }
  }

  #watch(connection: ChannelModel): Promise<Error> {
    return new Promise(resolve => {
      const lose = (cause: Error) => {
        resolve(cause)
        this.#drop = undefined
        this.#options.onLost?.(cause)
      }
      let reason: Error | undefined
      this.#drop = lose
      connection.on('error', error => {
        reason = error
      })
      connection.on('handler-error', error => lose(error))
      connection.on('close', error => lose(reason ?? error ?? new Error('the broker closed the connection')))
      connection.on('blocked', why => {
        this.#blocked = true
        this.#options.log.warn({ why }, 'the broker reads nothing from publishers (resource alarm); waiting')
      })
      connection.on('unblocked', () => {
        this.#blocked = false
        this.#options.log.info('the broker reads from publishers again')
      })
    })
  }

  #fail(error: Error): void {
    this.#failed = error
    for (const waiter of this.#waiters) waiter.reject(error)
  }
}

/** The URL's user, password and path left out: fit for logs. */
export function brokerAddress(url: string): string {
  return URL.canParse(url) ? new URL(url).host : '(not a URL)'
}

function withHeartbeat(url: string): string {
  const parsed = new URL(url)
  if (!parsed.searchParams.has('heartbeat')) parsed.searchParams.set('heartbeat', String(HEARTBEAT_SECONDS))
  return parsed.toString()
}

/** Closing a connection that is half dead may never be answered; its socket and heartbeat would keep the process alive. */
async function quietly(connection: ChannelModel): Promise<void> {
  const limit = new AbortController()
  const timer = setTimeout(() => limit.abort(new Error('close was not answered')), LAST_CLOSE_MS)
  // Nothing depends on a clean end: the broker gives back what was not acknowledged either way.
  await orAbort(connection.close(), limit.signal).catch(() => undefined)
  clearTimeout(timer)
  const socket: unknown = 'stream' in connection.connection ? connection.connection.stream : undefined
  connection.on('error', () => undefined)
  // Only an error makes amqplib end its timers.
  if (socket instanceof Duplex && !socket.destroyed) socket.destroy(new Error('the connection was given up'))
}

const LOGIN_REFUSED = /ACCESS[-_]REFUSED/
const REFUSALS = new Set(['403', '405', '406', '530', 'QUEUE_MISMATCH'])

/** What amqplib makes of a broker that closes the connection instead of opening the vhost; it drops the broker's reason. */
const VHOST_REFUSED = /Expected ConnectionOpenOk/

function isRefusal(error: Error): boolean {
  return REFUSALS.has(errorCode(error)) || VHOST_REFUSED.test(error.message) || LOGIN_REFUSED.test(error.message)
}

function refusalHelp(error: Error): string {
  if (VHOST_REFUSED.test(error.message) || errorCode(error) === '530') {
    return 'the vhost in "Amqp" does not exist or is not open to this user (without a path the vhost is "/")'
  }
  if (LOGIN_REFUSED.test(error.message)) {
    return `user or password in "Amqp" is wrong, or the user may not do this (guest may only connect from the broker's own host): ${describeError(error)}`
  }
  return describeError(error)
}
