/** What all resources of the server share. */
import type { Logger } from '@cuckoo-distributed/core'
import type { DistributedConfig } from '../config.js'
import type { Files } from '../files/files.js'
import type { Janitor } from '../files/janitor.js'
import type { Spans } from '../spans.js'
import type { Store } from '../store/store.js'

export interface ServerContext {
  readonly config: DistributedConfig
  readonly store: Store
  readonly files: Files
  readonly janitor: Janitor
  readonly log: Logger
  /** Where there is a collector. */
  readonly spans?: Spans | undefined
  /** Aborted when the server closes; ends what goes on after an answer. */
  readonly closing: AbortSignal
  /** Tells the scheduler of this process that there may be work. */
  readonly wake: () => void
}
