export { type ArchiveEntry, type ArchiveLimits, type OpenFile, openArchive } from './archive.js'
export { ArchiveError, type ArchiveErrorCode } from './archive-error.js'
export type { ApiCall, CallArgument } from './normalise.js'
export { ReportError, type ReportErrorCode } from './report-error.js'
export { ReportScanner, type ScanOptions, type ScanSummary, scanReport } from './report-scanner.js'
export type { ReportInfo, ReportProcess, ReportSignature, ReportSink, ReportTarget, ResetSection } from './sink.js'
export {
  type StagedEntry,
  type StagedFile,
  type StageOptions,
  StagingError,
  type StagingErrorCode,
  stageArchive,
  stageEntry,
} from './staging.js'
