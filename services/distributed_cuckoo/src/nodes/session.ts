/** What all work with one node shares. */
import type { Logger } from '@cuckoo-distributed/core'
import type { CuckooClient } from '@cuckoo-distributed/sandbox-client'
import type { DistributedConfig } from '../config.js'
import type { Files } from '../files/files.js'
import type { Node } from '../store/model.js'
import type { Store } from '../store/store.js'

export interface NodeSession {
  readonly node: Pick<Node, 'id' | 'name'>
  readonly client: CuckooClient
  readonly store: Store
  readonly files: Files
  readonly config: DistributedConfig
  readonly log: Logger
  /** Milliseconds after which an upload of which nothing more is read is given up. */
  readonly uploadStallMs: number
}
