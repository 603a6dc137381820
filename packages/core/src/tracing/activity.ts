// What a process does that is no delivery, as a span.
import type { Attributes } from '@opentelemetry/api'

export interface Activity {
  readonly name: string
  /** It answers a request from outside, with these headers: it is a part of the trace that they name. */
  readonly request?: Readonly<Record<string, unknown>> | undefined
  /** `traceparent` of what it follows from, perhaps hours ago. */
  readonly follows?: string | undefined
  readonly attributes: Attributes
}

/** How it ended: the status of an answer, or what was thrown. */
export interface ActivityEnd {
  readonly status?: number
  readonly error?: unknown
}

export interface RunningActivity {
  /** Does work that is a part of it. */
  run<T>(work: () => T): T
  end(how: ActivityEnd): void
}

/** For processes that settle no messages. */
export interface Activities extends AsyncDisposable {
  begin(activity: Activity): RunningActivity
  /** `traceparent` of what is worked on in this asynchronous context. */
  readonly current: string | undefined
}
