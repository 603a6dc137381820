// One connection to the broker that is kept up: one back-off loop, one set-up function for the start and every loss.
import { Duplex } from 'node:stream'
import { type BackOff, backOff, delay, orAbort, timeLimit } from '@cuckoo-distributed/wait'
import { type ChannelModel, connect } from 'amqplib'
import { describeError, ServiceError, toError } from '../errors.js'
import type { Logger } from '../logger.js'
import { type BrokerAddress, showBrokers } from './address.js'
import { ReadingTime } from './reading-time.js'
import { BrokerRefusedError, isRefusal } from './refusal.js'

const CONNECT_TIMEOUT_MS = 10_000
const STABLE_MS = 5_000
const LAST_CLOSE_MS = 500

/** PEM texts for `amqps`; what is absent is Node's own choice. */
export interface TlsFiles {
  readonly ca?: Buffer
  readonly cert?: Buffer
  readonly key?: Buffer
}

export interface BrokerConnectionOptions {
  /** Tried in turn, the first one first. */
  readonly addresses: readonly BrokerAddress[]
  readonly tls?: TlsFiles | undefined
  /** Shown in the broker's list of connections. */
  readonly name: string
  readonly log: Logger
  /** Runs on every new connection before it counts as up. */
  setUp(connection: ChannelModel): Promise<void>
  /** Told when the connection that `setUp` saw is gone. */
  onLost?(cause: Error): void
  /** Between attempts at all addresses. Default: 0.2 s, growing to 15 s. */
  readonly pause?: BackOff | undefined
  /** A connection that was up for so long counts as a success, in milliseconds. Default 5 s. */
  readonly stableMs?: number | undefined
  /** Default: `connectTo`. */
  readonly connect?: typeof connectTo | undefined
}

export class BrokerConnection {
  readonly readingTime = new ReadingTime()
  readonly #options: BrokerConnectionOptions
  readonly #closing = new AbortController()
  readonly #waiters = new Set<{ resolve: (connection: ChannelModel) => void; reject: (error: Error) => void }>()
  #current: ChannelModel | undefined
  #everUp = false
  #failed: Error | undefined
  #loop: Promise<void> | undefined
  #drop: ((cause: Error) => void) | undefined
  #losses = 0

  constructor(options: BrokerConnectionOptions) {
    this.#options = options
  }

  get isUp(): boolean {
    return this.#current !== undefined
  }

  /** How often it was lost. */
  get losses(): number {
    return this.#losses
  }

  /**
   * Starts the loop and waits for the first successful set-up.
   * Rejects with BrokerRefusedError for what waiting cannot mend, with `signal.reason` when aborted.
   */
  async open(signal: AbortSignal): Promise<void> {
    this.#loop ??= this.#keepUp()
    await this.connected(signal)
  }

  /** The live connection; waits for one. Rejects with `signal.reason`, or once it is closed. */
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

  async [Symbol.asyncDispose](): Promise<void> {
    const reason = new ServiceError('CONNECTION_CLOSED', 'the connection to the broker was closed')
    this.#closing.abort(reason)
    this.drop(reason)
    await this.#loop
  }

  /** Tries one broker after the other; pauses when each had its turn. */
  async #keepUp(): Promise<void> {
    const { addresses, pause = backOff({ initialMs: 200, maxMs: 15_000 }), stableMs = STABLE_MS } = this.#options
    const problems = new Map<BrokerAddress, string>()
    for (;;) {
      for (const address of addresses) {
        const upMs = await this.#attempt(address, problems)
        if (this.#failed) return
        if (upMs > stableMs) pause.reset()
      }
      await delay(pause.next(), this.#closing.signal).catch(() => undefined) // the next attempt sees that
    }
  }

  /** Resolves when the connection is gone, with the milliseconds that it was up: 0 when it never was. */
  async #attempt(address: BrokerAddress, problems: Map<BrokerAddress, string>): Promise<number> {
    const log = this.#options.log.child({ broker: showBrokers([address]) })
    let upAt: number | undefined
    try {
      this.#closing.signal.throwIfAborted()
      const cause = await this.#oneConnection(address, () => {
        log.info('connected to the broker')
        problems.clear()
        upAt = performance.now()
      })
      this.#closing.signal.throwIfAborted()
      this.#losses += 1
      log.warn({ cause: describeError(cause) }, 'lost the connection to the broker')
    } catch (thrown: unknown) {
      const error = toError(thrown)
      const problem = describeError(error)
      if (this.#closing.signal.aborted) this.#fail(toError(this.#closing.signal.reason))
      else if (!this.#everUp && isRefusal(error)) this.#fail(new BrokerRefusedError(error))
      else if (problem !== problems.get(address))
        log.warn({ cause: problem }, 'cannot reach the broker; waiting for it')
      problems.set(address, problem)
    }
    return upAt === undefined ? 0 : performance.now() - upAt
  }

  /** Connects, sets up, and resolves with the cause once the connection is lost. Rejects when it never came up. */
  async #oneConnection(address: BrokerAddress, onUp: () => void): Promise<Error> {
    const connection = await this.#connect(address)
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
      this.readingTime.unblock()
      await closeQuietly(connection)
    }
  }

  async #connect(address: BrokerAddress): Promise<ChannelModel> {
    const { connect: connectOnce = connectTo } = this.#options
    const connecting = connectOnce(address, this.#options)
    try {
      return await orAbort(connecting, this.#closing.signal)
    } catch (error: unknown) {
      if (this.#closing.signal.aborted) connecting.then(closeQuietly, () => undefined)
      throw error
    }
  }

  #watch(connection: ChannelModel): Promise<Error> {
    return new Promise(resolve => {
      let isLost = false
      const lose = (cause: Error) => {
        // What closes late must not be taken for the loss of the next connection.
        if (isLost) return
        isLost = true
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
        this.readingTime.block()
        this.#options.log.warn({ why }, 'the broker reads nothing from publishers (resource alarm); waiting')
      })
      connection.on('unblocked', () => {
        this.readingTime.unblock()
        this.#options.log.info('the broker reads from publishers again')
      })
    })
  }

  #fail(error: Error): void {
    this.#failed = error
    for (const waiter of this.#waiters) waiter.reject(error)
  }
}

/** One connection, without anything to keep it up. Rejects with what amqplib makes of its failure. */
export async function connectTo(
  address: BrokerAddress,
  { tls, name }: Pick<BrokerConnectionOptions, 'tls' | 'name'>,
): Promise<ChannelModel> {
  return connect(address.options, {
    ...tls,
    timeout: CONNECT_TIMEOUT_MS,
    clientProperties: { connection_name: name },
  })
}

/** Closing a connection that is half dead may never be answered; its socket and heartbeat would keep the process alive. */
export async function closeQuietly(connection: ChannelModel): Promise<void> {
  connection.on('error', () => undefined) // nobody else listens when it was closed before it was watched
  using limit = timeLimit(new AbortController().signal, LAST_CLOSE_MS, new Error('close was not answered'))
  // Nothing depends on a clean end: the broker gives back what was not acknowledged either way.
  await orAbort(connection.close(), limit.signal).catch(() => undefined)
  const socket: unknown = 'stream' in connection.connection ? connection.connection.stream : undefined
  // Only an error makes amqplib end its timers.
  if (socket instanceof Duplex && !socket.destroyed) socket.destroy(new Error('the connection was given up'))
}
