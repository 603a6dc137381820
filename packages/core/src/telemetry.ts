// What a process tells of its work to whoever wants to know. Nothing in the pipeline waits for it or depends on it.

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
 * And of a process: `started`, `stopped`.
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

/** Must neither throw nor take long. */
export interface Telemetry {
  happened(subject: Subject, happening: Happening): void
  took?(measure: Measure, queue: string, seconds: number): void
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
