// What the page of the overseer is told, as JSON. Times are milliseconds since 1970.

import type { Whereabouts } from '../journal/life.js'
import type { CrowdedPlace } from '../journal/open-samples.js'
import type { ToldRoom } from '../journal/rooms.js'
import type { QueueState } from '../queues/looks.js'

/** What a queue is for. `lost`: what exceeded the delivery limit of a quorum queue. */
export type QueueRole = 'work' | 'failed' | 'delay' | 'lost' | 'other'

export type QueueLine = QueueState & {
  readonly role: QueueRole
  /** Who consumes it, as far as events tell. */
  readonly service?: string | undefined
}

/** A part of the pipeline that something can be said about. */
export type Part =
  | { readonly kind: 'service'; readonly name: string }
  | { readonly kind: 'sandbox' }
  | { readonly kind: 'crits' }
  | { readonly kind: 'waits' }
  | { readonly kind: 'dumps' }
  | { readonly kind: 'broker' }

export interface Alarm {
  /** `bad`: somebody has to do something. `warn`: worth knowing. */
  readonly level: 'bad' | 'warn'
  readonly part: Part
  readonly text: string
  /** What to do. */
  readonly advice?: string | undefined
}

/** The pipeline at a glance. */
export interface Overview {
  readonly at: number
  /** Nothing can be changed here. */
  readonly isReadOnly: boolean
  readonly queues: readonly QueueLine[]
  /** Samples under way, as far as overseers were told; undefined when none has answered. */
  readonly open:
    | {
        readonly count: number
        readonly oldest?: { readonly analysis: string; readonly since: number }
        readonly places: readonly CrowdedPlace[]
      }
    | undefined
  /** Of each sandbox that somebody tells of. */
  readonly rooms: readonly ToldRoom[]
  readonly dumps: {
    readonly count: number
    readonly oldest?: number | undefined
    /** The most frequent first. */
    readonly causes: readonly { readonly code: string; readonly service: string; readonly count: number }[]
  }
  /** The worst first. */
  readonly alarms: readonly Alarm[]
  /** What is not known, and why. */
  readonly problems: readonly string[]
}

/** A dump in a list. */
export interface DumpLine {
  readonly name: string
  readonly at: number
  readonly bytes: number
  readonly queue: string
  readonly error: string
  readonly attempts?: number | undefined
  /** Somebody sends, edits or deletes it. */
  readonly isInHands: boolean
  /** A resubmission that has not ended: it may have been sent. */
  readonly isPerhapsSent: boolean
}

export interface DumpCause {
  readonly code: string
  readonly service: string
  readonly oldest: number
  readonly newest: number
  readonly error: string
  readonly advice: string
  readonly dumps: readonly DumpLine[]
}

/** Dumps of other overseers, which can be looked at only. */
export interface DumpsElsewhere {
  /** By host and DumpDir. */
  readonly places: readonly { readonly place: string; readonly causes: readonly DumpCause[] }[]
  /** What is not known, and why. */
  readonly problems: readonly string[]
}

/** A dump of another overseer, in its words. */
export interface DumpElsewhere {
  readonly place: string
  readonly words: readonly string[]
}

/** What became of one of several dumps; one line of JSON for each. */
export interface DumpResult {
  readonly name: string
  readonly isDone: boolean
  readonly text: string
}

/** A message as it may be edited. */
export interface DumpText {
  readonly text: string
  /** Of the file that it was made of. */
  readonly version: string
}

/** One analysis of a sample. */
export interface SampleLife {
  readonly analysis: string | undefined
  readonly md5s: readonly string[]
  readonly tasks: readonly number[]
  readonly now: Whereabouts
  /** In the queue where it is now. */
  readonly messages: number | undefined
  /** Queues that it came out of although nobody has told who put it there. */
  readonly untold: readonly string[]
  readonly moments: readonly {
    readonly at: number
    /** Service and instance. */
    readonly by: string
    readonly event: string
    readonly text: string
  }[]
}

/** What became of samples. */
export interface SampleAnswer {
  readonly found: readonly { readonly what: string; readonly lives: readonly SampleLife[] }[]
  /** What is said of those without a life. */
  readonly notFound: string
  /** What may be missing. */
  readonly remarks: readonly string[]
}
