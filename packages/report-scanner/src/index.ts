export type { ApiCall, CallArgument } from './normalise.js'
export { ReportError, type ReportErrorCode } from './report-error.js'
export { ReportScanner, type ScanOptions, type ScanSummary, scanReport } from './report-scanner.js'
export type { ReportInfo, ReportProcess, ReportSignature, ReportSink, ReportTarget, ResetSection } from './sink.js'
