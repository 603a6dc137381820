/** What a route works with. */
import type { IncomingMessage } from 'node:http'
import type { CuckooTask } from '../cuckoo/task.js'
import type { CapeSection } from './options.js'
import type { SubmissionContext } from './submission.js'

export interface CapeContext extends SubmissionContext {
  readonly request: IncomingMessage
  readonly query: URLSearchParams
  isOn(section: CapeSection): boolean
  /** The folder of the analysis is gone. */
  isLost(task: CuckooTask): boolean
}
