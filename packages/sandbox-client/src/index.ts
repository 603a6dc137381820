export { type CuckooMachine, type CuckooStatus, serverTime, type TaskSummary } from './answers.js'
export { type AwayClocks, awayMs, noteAway, noteReached, unreachedMs } from './away-clocks.js'
export { cascadesTags } from './cascade.js'
export { CuckooClient, type CuckooClientOptions } from './client.js'
export { AllowedCuckooURLs, CuckooAwayLimit, CuckooTokens, cuckooProblems } from './config.js'
export type { NewTask, NewUrlTask } from './create-task.js'
export {
  DoubtfulListsError,
  DoubtfulStatusError,
  TaskRefusedError,
  TokenRefusedError,
  UnexpectedAnswerError,
  UnknownOutcomeError,
} from './errors.js'
export { ListWindow } from './list-window.js'
export { sandboxLooks } from './look.js'
export { isMarked, type LookOptions, MarkIndex, type MarkIndexOptions, type TaskMark } from './mark-index.js'
export { isFinal, type ListedPhase, type Phase } from './phase.js'
export type { Artifact, Deletion, Download, ListOptions, SandboxClient, TaskQueries } from './sandbox.js'
export { believedStatus, CuckooServer, CuckooServers, type CuckooServersOptions } from './servers.js'
