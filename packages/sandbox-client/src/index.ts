export { type CuckooMachine, type CuckooStatus, serverTime, type TaskSummary } from './answers.js'
export { type AwayClocks, awayMs, noteAway, noteReached, unreachedMs } from './away-clocks.js'
export { CapeClient, type CapeClientOptions, type CapeDelete } from './cape-client.js'
export type { JunkNames } from './cape-create.js'
export { cascadesTags } from './cascade.js'
export { CuckooClient, type CuckooClientOptions } from './client.js'
export {
  AllowedCuckooURLs,
  CapeDelete as CapeDeleteKey,
  CuckooAwayLimit,
  CuckooTokens,
  cuckooProblems,
  rateOf,
  requestsPerMinuteKey,
} from './config.js'
export type { CreatedTasks, NewTask, NewUrlTask } from './create-task.js'
export {
  CallRefusedError,
  DoubtfulListsError,
  DoubtfulStatusError,
  EndpointOffError,
  isAboutOneCall,
  TaskRefusedError,
  TokenRefusedError,
  UndecidedSandboxError,
  UnexpectedAnswerError,
  UnknownOutcomeError,
  WebPageError,
} from './errors.js'
export { ListWindow } from './list-window.js'
export { sandboxLooks } from './look.js'
export { isMarked, type TaskMark } from './mark.js'
export { type LookOptions, MarkIndex, type MarkIndexOptions } from './mark-index.js'
export { sandboxNotices } from './notices.js'
export { isFinal, type ListedPhase, type Phase } from './phase.js'
export type {
  Artifact,
  Deletion,
  Download,
  ListOptions,
  MemoryDump,
  ReportOptions,
  SandboxClient,
  SandboxKind,
  TaskQueries,
} from './sandbox.js'
export {
  believedStatus,
  CuckooServer,
  type CuckooServerOptions,
  CuckooServers,
  type CuckooServersOptions,
  sandboxClient,
} from './servers.js'
