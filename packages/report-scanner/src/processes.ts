// The wanted part of `behavior.processes`: processes and their API calls.
import type { Node } from '@cuckoo-distributed/json-scanner'
import { Fields } from './fields.js'
import { type ApiCall, toCall, toText, toTime } from './normalise.js'
import type { ReportSink } from './sink.js'
import type { Unread } from './unread.js'

/** How much of calls is held while the name of their process is not known (Cuckoo 2.0 writes it behind them): about as many bytes of memory. */
const MAX_HELD = 8_388_608
/** What a call, or an argument of it, takes besides its text. */
const CALL_SIZE = 256
const ARGUMENT_SIZE = 64

/** What calls are called where they could not be read. */
const CALLS = 'API calls'

/** Reads the list of processes and passes each on at its end, its calls as they come. */
export class ProcessReader {
  readonly node: Node
  /** Calls passed on. */
  calls = 0
  /** Whether there was a list of processes. */
  isThere = false
  readonly #sink: ReportSink
  readonly #unread: Unread
  readonly #maxCalls: number
  readonly #cut: (text: string) => string
  readonly #fields = new Fields(['process_name', 'process_id', 'pid', 'parent_id', 'ppid', 'first_seen'])
  #taken = 0 // calls that count against maxCalls, in all processes
  #index = 0 // of the next call in its process
  #held: ApiCall[] = []
  #heldSize = 0

  constructor(sink: ReportSink, unread: Unread, maxCalls: number, cut: (text: string) => string) {
    this.#sink = sink
    this.#unread = unread
    this.#maxCalls = maxCalls
    this.#cut = cut
    const calls: Node = {
      array: {
        item: {
          scalar: () => this.#leaveOut('no objects'),
          container: value => this.#take(value),
          ...unread.counting(CALLS),
        },
        wanted: () => this.#maxCalls - this.#taken,
      },
    }
    const fields = new Map(this.#fields.nodes).set('calls', calls)
    const item: Node = { object: { fields, open: () => this.#open(), close: () => this.#close() } }
    const open = (): void => {
      this.isThere = true
    }
    this.node = { array: { item, open } }
  }

  #leaveOut(what: string): void {
    this.#unread.add(CALLS, what)
  }

  #open(): void {
    this.#fields.clear()
    this.#heldSize = 0
    this.#index = 0
  }

  #take(value: unknown): void {
    const call = toCall(value, this.#index, this.#cut)
    if (call === undefined) {
      this.#leaveOut('no objects')
      return
    }
    this.#index++
    const named = this.#fields.get('process_name') !== undefined && this.#pid() !== undefined
    if (named && this.#held.length === 0) this.#pass(call)
    else if (!this.#hold(call)) return
    this.#taken++
  }

  #hold(call: ApiCall): boolean {
    const size = sizeOf(call)
    if (this.#heldSize + size > MAX_HELD) {
      this.#leaveOut(`more than ${MAX_HELD} bytes of a process that is named behind its calls`)
      return false
    }
    this.#held.push(call)
    this.#heldSize += size
    return true
  }

  #pass(call: ApiCall): void {
    this.calls++
    this.#sink.onCall?.(call, `${toText(this.#fields.get('process_name'))} (${toText(this.#pid())})`)
  }

  #pid(): ReturnType<Fields<'pid'>['get']> {
    return this.#fields.get('process_id') ?? this.#fields.get('pid')
  }

  #close(): void {
    const held = this.#held
    this.#held = []
    for (const call of held) this.#pass(call)
    this.#sink.onProcess?.({
      name: toText(this.#fields.get('process_name')),
      pid: toText(this.#pid()),
      parentPid: toText(this.#fields.get('parent_id') ?? this.#fields.get('ppid')),
      firstSeen: toTime(this.#fields.get('first_seen'), true),
    })
  }
}

function sizeOf({ api, category, return: result, timestamp, thread_id, arguments: list }: ApiCall): number {
  let size = CALL_SIZE + api.length + category.length + result.length + timestamp.length + thread_id.length
  for (const { name, value } of list) size += ARGUMENT_SIZE + name.length + value.length
  return size
}
