export { type CuckooMachine, type CuckooStatus, serverTime, type TaskSummary } from './answers.js'
export { CuckooClient, type CuckooClientOptions, type ListOptions } from './client.js'
export type { NewTask, NewUrlTask } from './create-task.js'
export { TaskRefusedError, UnexpectedAnswerError, UnknownOutcomeError } from './errors.js'
