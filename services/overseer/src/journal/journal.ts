// The journal of a running overseer: keeps the events that it reads, and answers questions about them.
import { hostname } from 'node:os'
import {
  type BrokerAccess,
  describeError,
  EventReader,
  type Logger,
  type PipelineEvent,
} from '@cuckoo-distributed/core'
import { delay } from '@cuckoo-distributed/wait'
import { type Answer, type Call, type DumpsCall, decodeCall, type Sender } from './questions.js'
import type { Store } from './store.js'

const HERE_EVERY_MS = 60_000
const MOST_PLACES = 100

type Question = Extract<Call, { kind: 'question' }>

export interface JournalOptions {
  readonly broker: BrokerAccess
  readonly failedQueue: string
  readonly store: Store
  /** Answers what is asked about dumps. */
  readonly dumps: (call: DumpsCall) => Promise<object>
  readonly log: Logger
}

export class Journal implements AsyncDisposable {
  readonly #store: Store
  readonly #dumps: JournalOptions['dumps']
  readonly #log: Logger
  readonly #reader: EventReader
  readonly #end = new AbortController()
  /** Places of other overseers that have not said farewell. */
  readonly #others = new Set<string>()
  readonly #place: string
  #isFailing = false

  constructor({ broker, failedQueue, store, dumps, log }: JournalOptions) {
    this.#store = store
    this.#dumps = dumps
    this.#log = log.child({ connection: 'journal' })
    this.#place = placeOf(store.dir)
    this.#reader = new EventReader({
      ...broker,
      failedQueue,
      log: this.#log,
      store: events => this.#keep(events),
      hear: (body, reply) => this.#hear(body, reply),
      onLost: () => store.forget(),
      onListening: () => this.#call({ kind: 'here', place: this.#place, isNew: true }),
    })
  }

  /** Begins; nobody waits for it. */
  start(): void {
    this.#reader.start()
    void this.#sayHere()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort(new Error('the overseer ends'))
    this.#call({ kind: 'gone', place: this.#place })
    await this.#reader[Symbol.asyncDispose]()
  }

  async #keep(events: readonly PipelineEvent[]): Promise<void> {
    try {
      await this.#store.append(events)
      if (this.#isFailing) this.#log.info('JournalDir can be written to again')
      this.#isFailing = false
    } catch (error: unknown) {
      if (!this.#isFailing)
        this.#log.error({ cause: describeError(error) }, 'JournalDir cannot be written to; events wait')
      this.#isFailing = true
      throw error
    }
  }

  #hear(body: Buffer, reply: ((answer: Buffer) => void) | undefined): void {
    const call = decodeCall(body)
    if (call === undefined) return
    if (!('place' in call)) {
      if (reply) void this.#answer(call, reply)
      return
    }
    if (call.place === this.#place) return
    this.#others.delete(call.place)
    if (call.kind === 'gone') return
    if (this.#others.size < MOST_PLACES) this.#others.add(call.place)
    if (call.isNew) this.#call({ kind: 'here', place: this.#place, isNew: false })
  }

  async #answer(call: Question | DumpsCall, reply: (answer: Buffer) => void): Promise<void> {
    try {
      const found = call.kind === 'question' ? await this.#find(call) : await this.#dumps(call)
      const sender: Sender = { place: this.#place, host: hostname(), others: [...this.#others] }
      reply(Buffer.from(JSON.stringify({ ...sender, ...found })))
    } catch (error: unknown) {
      this.#log.warn({ cause: describeError(error) }, 'a question could not be answered')
    }
  }

  async #find({ keys }: Question): Promise<Omit<Answer, keyof Sender>> {
    const { events, isCut, meta, begin } = await this.#store.find(keys)
    const { count, oldest, places } = this.#store.open
    const open = { count, ...(oldest && { oldest }), places }
    return {
      events: [...events],
      isCut,
      meta,
      ...(begin !== undefined && { begin }),
      open,
      rooms: this.#store.rooms.told,
    }
  }

  async #sayHere(): Promise<void> {
    const { signal } = this.#end
    while (!signal.aborted) {
      await delay(HERE_EVERY_MS, signal).catch(() => undefined) // seen below
      if (!signal.aborted) this.#call({ kind: 'here', place: this.#place, isNew: false })
    }
  }

  #call(call: Call): void {
    this.#reader.call(Buffer.from(JSON.stringify(call)))
  }
}

/** Names a journal among others: two overseers may share a directory, or a host. */
export function placeOf(dir: string): string {
  return `${hostname()}:${dir}`
}
