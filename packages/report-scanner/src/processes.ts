// The wanted part of `behavior.processes`: processes and their API calls.
import { Fields } from './fields.js'
import type { Node } from './node.js'
import { type ApiCall, toCall, toText, toTime } from './normalise.js'
import type { ReportSink } from './sink.js'

/** How much of calls is held while the name of their process is not known (Cuckoo 2.0 writes it behind them): about as many bytes of memory. */
const MAX_HELD = 8_388_608
/** What a call, or an argument of it, takes besides its text. */
const CALL_SIZE = 256
const ARGUMENT_SIZE = 64

/** Reads the list of processes and passes each on at its end, its calls as they come. */
export class ProcessReader {
  readonly node: Node
  /** Calls passed on. */
  calls = 0
  /** Calls left out: no object, too large, nested too deep, or too many to hold. */
  droppedCalls = 0
  readonly #sink: ReportSink
  readonly #maxCalls: number
  readonly #cut: (text: string) => string
  readonly #fields = new Fields(['process_name', 'process_id', 'pid', 'parent_id', 'ppid', 'first_seen'])
  #taken = 0 // calls that count against maxCalls, in all processes
  #takenHere = 0 // the same, in this process
  #held: ApiCall[] = []
  #heldSize = 0
  #begun = false
  #callsBegun = false

  constructor(sink: ReportSink, maxCalls: number, cut: (text: string) => string) {
    this.#sink = sink
    this.#maxCalls = maxCalls
    this.#cut = cut
    const item: Node = {
      object: {
        fields: new Map(this.#fields.nodes).set('calls', this.#callsNode()),
        open: () => this.#open(),
        close: () => this.#close(),
      },
    }
    this.node = { begin: () => this.begin(), array: { item } }
  }

  /** A list of processes begins, or is overridden by something else. */
  begin(): void {
    if (this.#begun) this.#sink.reset('processes')
    this.#begun = true
    this.calls = this.#taken = this.droppedCalls = 0
  }

  #callsNode(): Node {
    const drop = (): void => {
      this.droppedCalls++
    }
    return {
      begin: () => this.#beginCalls(),
      array: {
        item: { scalar: drop, container: value => this.#take(value) },
        wanted: () => this.#maxCalls - this.#taken,
      },
    }
  }

  #open(): void {
    this.#fields.clear()
    this.#held = []
    this.#heldSize = this.#takenHere = 0
    this.#callsBegun = false
  }

  #beginCalls(): void {
    if (this.#callsBegun) {
      this.#sink.reset('calls')
      this.#taken -= this.#takenHere
      this.calls -= this.#takenHere - this.#held.length
      this.#held = []
      this.#heldSize = this.#takenHere = 0
    }
    this.#callsBegun = true
  }

  #take(value: unknown): void {
    const call = toCall(value, this.#cut)
    if (call === undefined) {
      this.droppedCalls++
      return
    }
    const named = this.#fields.get('process_name') !== undefined && this.#pid() !== undefined
    if (named && this.#held.length === 0) this.#pass(call)
    else if (!this.#hold(call)) return
    this.#taken++
    this.#takenHere++
  }

  #hold(call: ApiCall): boolean {
    const size = sizeOf(call)
    if (this.#heldSize + size > MAX_HELD) {
      this.droppedCalls++
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
