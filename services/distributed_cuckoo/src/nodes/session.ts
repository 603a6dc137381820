/** What all work with one node shares. */
import type { Logger } from '@cuckoo-distributed/core'
import type { Availability } from '@cuckoo-distributed/http'
import type { SandboxClient } from '@cuckoo-distributed/sandbox-client'
import type { DistributedConfig } from '../config.js'
import type { Files } from '../files/files.js'
import type { Spans } from '../spans.js'
import type { Node, Submission } from '../store/model.js'
import type { Leadership, Store } from '../store/store.js'
import type { Quarantine } from './quarantine.js'

export interface NodeSession {
  readonly node: Pick<Node, 'id' | 'name'>
  readonly client: SandboxClient
  /** Tells an outage of the node from the failure of one request. */
  readonly availability: Availability
  readonly quarantine: Quarantine
  readonly store: Store
  readonly files: Files
  readonly config: DistributedConfig
  /** To be looked at before what cannot be taken back. */
  readonly leadership: Pick<Leadership, 'look'>
  readonly log: Logger
  /** Where there is a collector. */
  readonly spans?: Spans | undefined
  readonly patience: Patience
  /** Tasks of which results are being fetched now, from whichever node: their files have the same names. */
  readonly fetching: Set<number>
  /** Called when the node is asked for something, and with each piece of its answer. */
  readonly onContact: () => void
}

/** How long a transfer may take to get on, in milliseconds. */
export interface Patience {
  /** Until a further piece of an upload is taken. */
  readonly uploadMs: number
  /** In which 4 KiB a second of a report must have come. */
  readonly reportMs: number
}

/** A submission that the node has accepted. */
export type Copy = Submission & { readonly nodeTaskId: number }

export function isAccepted(submission: Submission): submission is Copy {
  return submission.nodeTaskId !== null
}
