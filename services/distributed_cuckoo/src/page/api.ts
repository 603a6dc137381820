/** What the server answers, as far as the page reads it. Times are seconds since 1970. */

export interface NodeState {
  readonly url: string
  /** new, up, quarantined, unreachable, unauthorized, or draining or disabled. */
  readonly state: string
  readonly kind: string | null
  readonly enabled: boolean
  readonly last_seen: number | null
  readonly error: string | null
  readonly failures: number
  readonly in_flight: number
  readonly machines: number
}

export interface Waiting {
  readonly requirement: string
  readonly reason: string
  readonly tasks: number
}

/** `GET /status` */
export interface Status {
  readonly tasks: {
    readonly pending: number
    readonly processing: number
    readonly processed: number
    readonly failed: number
    readonly oldest_pending: number | null
  }
  /** Of nodes that answered. */
  readonly nodes: Readonly<Record<string, { readonly pending: number; readonly running: number }>>
  readonly node_states: Readonly<Record<string, NodeState>>
  readonly waiting: readonly Waiting[]
  readonly waiting_total: number
  readonly dist: {
    readonly diskspace: { readonly free: number; readonly total: number }
    readonly problem: string | null
  }
  readonly last_cycle: number | null
  readonly timestamp: number
}

/** Of `GET /task` */
export interface Task {
  readonly id: number
  readonly status: string
  readonly filename: string | null
  readonly url: string | null
  readonly owner: string | null
  readonly priority: number
  readonly node: string | null
  readonly attempts: number
  readonly error: string | null
  readonly added_on: number | null
  readonly completed_on: number | null
}

/** Of `GET /task/<id>` */
export interface WholeTask extends Task {
  readonly waiting: string | null
  readonly retries: readonly { readonly at: number; readonly attempt: number; readonly reason: string }[]
  readonly missing_reports: Readonly<Record<string, { readonly reason: string | null; readonly retry: boolean }>>
}

/** `POST /task/reschedule` */
export interface Rescheduled {
  readonly tasks: readonly number[]
  readonly refused: Readonly<Record<string, string>>
}
