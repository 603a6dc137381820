// What a process tells of its work to whoever wants to know. Nothing in the pipeline waits for it or depends on it.
import type { HeaderTable } from './headers.js'

/**
 * What can become of a message:
 * - `received` by a service; `waiting`, for what `for` says, and `resumed` after such a wait
 * - passed on to the queue `to`: `submitted` to a sandbox, `reported` by it, `stored` in part in CRITs, or just `forwarded`
 * - `complete` in CRITs, or `done` for another reason
 * - `later`: at the end of its queue again; `given back` to its place in the queue
 * - `failed` and handed to the overseer, which has it wait in a delay queue until the `retry due` at `due`, or until a
 *   cause is over that others share (`waits for its cause`), and has it `retried`, or `dumped` as `file`
 * - `resubmitted` from a dump
 *
 * And of a process: `started`, `stopped`; of the sandbox that it feeds: `room`.
 */
export type EventName =
  | 'received'
  | 'waiting'
  | 'resumed'
  | 'submitted'
  | 'reported'
  | 'stored'
  | 'forwarded'
  | 'complete'
  | 'done'
  | 'later'
  | 'given back'
  | 'failed'
  | 'retry due'
  | 'waits for its cause'
  | 'retried'
  | 'dumped'
  | 'resubmitted'
  | 'started'
  | 'stopped'
  | 'room'

/** What the last status of a sandbox said of its room. */
export interface SandboxRoom {
  readonly state: 'room' | 'full' | 'unknown'
  readonly maxPending: number
  readonly pending?: number
  /** Where free space matters. */
  readonly freeBytes?: number
  /** When the status was there; milliseconds since 1970. */
  readonly asOf?: number
}

export interface Happening {
  readonly event: EventName
  /** Milliseconds since 1970; default: now. */
  readonly at?: number | undefined
  readonly code?: string | undefined
  /** One line, without secrets. */
  readonly reason?: string | undefined
  readonly for?: string | undefined
  readonly to?: string | undefined
  /** Milliseconds since 1970. */
  readonly due?: number | undefined
  readonly file?: string | undefined
  readonly room?: SandboxRoom | undefined
}

/** Whom it happened to: what a log line about it names. Of a URL only what may be shown. */
export interface Subject {
  readonly queue?: string | undefined
  readonly analysisId?: string | undefined
  readonly md5?: string | undefined
  readonly taskId?: number | undefined
  readonly cuckoo?: string | undefined
  readonly attempt?: number | undefined
}

/** `delivery`: from its arrival until it was settled. `confirm`: of a message that was published. */
export type Measure = 'delivery' | 'confirm'

/** A delivery as it arrived. */
export interface Arrival {
  readonly queue: string
  readonly headers: Readonly<Record<string, unknown>>
  readonly messageId: string | undefined
  readonly bytes: number
  /** See StageDefinition. */
  readonly isWait: boolean
}

/** A message that is about to be published. */
export interface Departure {
  readonly queue: string
  readonly headers: HeaderTable
  readonly bytes: number
}

/** Must neither throw nor take long. */
export interface Telemetry {
  happened(subject: Subject, happening: Happening): void
  took?(measure: Measure, queue: string, seconds: number): void
  /** Does the work on a delivery, settling included, and settles as it does. */
  working?<T>(arrival: Arrival, work: () => Promise<T>): Promise<T>
  /** Publishes a message with the headers that say what it follows from, and settles as `publish` does. */
  sending?<T>(departure: Departure, publish: (headers: HeaderTable) => Promise<T>): Promise<T>
  /** A delivery was acknowledged, or handed back. */
  settled?(queue: string, how: 'ack' | 'nack'): void
}

/** Tells nobody. */
export const NO_TELEMETRY: Telemetry = { happened: () => undefined }

/** Tells each of them. */
export function telemetryOf(listeners: readonly Telemetry[]): Telemetry {
  return {
    happened: (subject, happening) => {
      for (const listener of listeners) listener.happened(subject, happening)
    },
    took: (measure, queue, seconds) => {
      for (const listener of listeners) listener.took?.(measure, queue, seconds)
    },
    working: (arrival, work) => {
      const around = (inner: typeof work, outer: Telemetry) => () => outer.working?.(arrival, inner) ?? inner()
      return listeners.reduce(around, work)()
    },
    sending: (departure, publish) => {
      const around = (inner: typeof publish, outer: Telemetry) => (headers: HeaderTable) =>
        outer.sending?.({ ...departure, headers }, inner) ?? inner(headers)
      return listeners.reduce(around, publish)(departure.headers)
    },
    settled: (queue, how) => {
      for (const listener of listeners) listener.settled?.(queue, how)
    },
  }
}

/** How long a wait lasts that is worth telling. */
const WORTH_TELLING_MS = 200

/** Tells what a message waits for, if it takes a moment. Settles as `wait` does. */
export async function waitingFor<T>(
  what: string,
  context: { tell(happening: Happening): void },
  wait: Promise<T>,
): Promise<T> {
  let isTold = false
  const timer = setTimeout(() => {
    isTold = true
    context.tell({ event: 'waiting', for: what })
  }, WORTH_TELLING_MS)
  try {
    const result = await wait
    if (isTold) context.tell({ event: 'resumed' })
    return result
  } finally {
    clearTimeout(timer)
  }
}
