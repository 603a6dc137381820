// Sends events to their queue on a connection of its own, without confirms: what goes wrong here concerns nobody else.
import { randomBytes } from 'node:crypto'
import { orAbort, timeLimit } from '@cuckoo-distributed/wait'
import type { Channel, ChannelModel } from 'amqplib'
import { describeError, errorCode, toError } from '../errors.js'
import { encodeEvent, eventQueue } from '../events.js'
import type { Logger } from '../logger.js'
import type { Happening, Subject, Telemetry } from '../telemetry.js'
import { BrokerConnection, type BrokerConnectionOptions } from './connection.js'

const MAX_BUFFERED = 1000
/** How long events are gathered, and how many at most: those that are sent together cost a fraction of as many sent by themselves. */
const GATHER_MS = 100
const MAX_GATHERED = 50
const DECLARE_LIMIT_MS = 30_000
const LAST_WORDS_MS = 1000
const REFUSALS = new Set(['403', '405', '406'])

/**
 * The same for ever, since a queue cannot change its arguments. A full one drops its oldest events. One consumer at a
 * time gets all of them, so that what is missing in its journal was lost.
 */
const ARGUMENTS = {
  'x-queue-type': 'classic',
  'x-max-length': 1_000_000,
  'x-max-length-bytes': 512 * 1024 * 1024,
  'x-overflow': 'drop-head',
  'x-single-active-consumer': true,
}

/** Declares the queue of events that belongs to a failed queue; resolves with its name. */
export async function declareEventQueue(channel: Channel, failedQueue: string): Promise<string> {
  const { queue } = await channel.assertQueue(eventQueue(failedQueue), { durable: true, arguments: ARGUMENTS })
  return queue
}

/** Whether waiting cannot mend why the broker refused a declaration: missing rights, other arguments. */
export function isDeclarationRefused(error: Error): boolean {
  return REFUSALS.has(errorCode(error))
}

export interface EventSenderOptions
  extends Pick<BrokerConnectionOptions, 'addresses' | 'tls' | 'name' | 'log' | 'connect'> {
  readonly service: string
  readonly instance: string
  readonly failedQueue: string
}

/** Names a process for as long as it lives. */
export function instanceName(host: string, pid: number): string {
  return `${host.slice(0, 60)}:${pid}.${randomBytes(3).toString('hex')}`
}

/**
 * Connects when there is something to tell. While the broker blocks, or while 1000 events wait for it, further ones are
 * dropped: the gap in `seq` shows it.
 */
export class EventSender implements Telemetry, AsyncDisposable {
  readonly #options: EventSenderOptions
  readonly #log: Logger
  readonly #connection: BrokerConnection
  readonly #buffer: Buffer[] = []
  #opening: Promise<void> | undefined
  #channel: Channel | undefined
  #isBlocked = false
  #isFull = false
  #isOff = false
  #seq = 0
  #dropped = 0
  #isDropping = false
  #gathering: NodeJS.Timeout | undefined

  constructor(options: EventSenderOptions) {
    this.#options = options
    this.#log = options.log.child({ connection: 'events' })
    const { addresses, tls, name, connect } = options
    const setUp = (connection: ChannelModel) => this.#setUp(connection)
    const onLost = () => {
      this.#channel = undefined
    }
    this.#connection = new BrokerConnection({ addresses, tls, name, connect, log: this.#log, setUp, onLost })
  }

  /** Events that were dropped since the start. */
  get dropped(): number {
    return this.#dropped
  }

  happened(subject: Subject, happening: Happening): void {
    if (this.#isOff) return
    this.#seq += 1
    if (this.#isBlocked || this.#buffer.length >= MAX_BUFFERED) {
      this.#drop()
      return
    }
    const { service, instance } = this.#options
    this.#buffer.push(
      encodeEvent({ at: happening.at ?? Date.now(), service, instance, seq: this.#seq }, subject, happening),
    )
    this.#opening ??= this.#open()
    if (this.#buffer.length >= MAX_GATHERED) this.#flush()
    else this.#gathering ??= setTimeout(() => this.#flush(), GATHER_MS).unref()
  }

  /** Sends what is left, if the broker takes it within a second. */
  async [Symbol.asyncDispose](): Promise<void> {
    using limit = timeLimit(new AbortController().signal, LAST_WORDS_MS, new Error('no answer in time'))
    // What is lost here is lost as that of a process that is killed.
    if (!this.#isOff && !this.#isBlocked) await this.#finish(limit.signal).catch(() => undefined)
    this.#isOff = true
    clearTimeout(this.#gathering)
    await this.#connection[Symbol.asyncDispose]()
    await this.#opening
  }

  async #finish(signal: AbortSignal): Promise<void> {
    if (this.#buffer.length > 0) await this.#connection.connected(signal)
    this.#flush()
    const channel = this.#channel
    this.#channel = undefined
    // By itself: the close of a connection overtakes what its channels still have to send.
    if (channel) await orAbort(channel.close(), signal)
  }

  async #open(): Promise<void> {
    await this.#connection.open(new AbortController().signal).catch((error: unknown) => {
      if (!this.#isOff) this.#switchOff(error)
    })
  }

  async #setUp(connection: ChannelModel): Promise<void> {
    this.#isBlocked = false
    connection.on('blocked', () => {
      this.#isBlocked = true
    })
    connection.on('unblocked', () => {
      this.#isBlocked = false
      this.#flush()
    })
    using limit = timeLimit(new AbortController().signal, DECLARE_LIMIT_MS, new Error('the broker does not answer'))
    const channel = await orAbort(connection.createChannel(), limit.signal)
    channel.on('error', () => undefined) // the same error rejects what is awaited here, or closes the channel
    try {
      await orAbort(declareEventQueue(channel, this.#options.failedQueue), limit.signal)
    } catch (thrown: unknown) {
      const error = toError(thrown)
      if (isDeclarationRefused(error)) return this.#switchOff(error)
      throw error
    }
    channel.on('close', () => {
      if (this.#channel !== channel) return
      this.#channel = undefined
      this.#connection.drop(new Error('the broker closed the channel'))
    })
    channel.on('drain', () => {
      this.#isFull = false
      this.#flush()
    })
    this.#isFull = false
    this.#channel = channel
    this.#flush()
  }

  #flush(): void {
    clearTimeout(this.#gathering)
    this.#gathering = undefined
    const channel = this.#channel
    if (!channel || this.#isBlocked || this.#isOff) return
    const queue = eventQueue(this.#options.failedQueue)
    try {
      while (this.#buffer.length > 0 && !this.#isFull) {
        const event = this.#buffer.shift()
        // Of a broker that was restarted, too; without a confirm the disk is not waited for.
        if (event) this.#isFull = !channel.sendToQueue(queue, event, { persistent: true })
      }
    } catch {
      this.#channel = undefined // amqplib throws only when the channel is closed
    }
    if (this.#isDropping && this.#buffer.length === 0) {
      this.#isDropping = false
      this.#log.info({ dropped: this.#dropped }, 'sending events again; the dropped ones are missing from the journal')
    }
  }

  #drop(): void {
    this.#dropped += 1
    if (this.#isDropping) return
    this.#isDropping = true
    this.#log.warn('the broker does not accept events; they are dropped, and nothing else depends on them')
  }

  #switchOff(error: unknown): void {
    this.#isOff = true
    this.#buffer.length = 0
    this.#log.warn({ cause: describeError(error) }, 'events are disabled: the broker rejects their queue')
    void this.#connection[Symbol.asyncDispose]()
  }
}
