export type { CritsUser, SourceRight } from './auth.js'
export type { JournalEntry as CritsJournalEntry, Violation as CritsViolation } from './journal.js'
export { type CritsOptions, type CritsStandIn, startCrits } from './server.js'
export type { StoredAnalysis, StoredResult, StoredSample } from './store.js'
