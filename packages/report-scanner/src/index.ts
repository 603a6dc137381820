export { JsonError } from '@cuckoo-distributed/json-scanner'
export type { ApiCall, CallArgument } from './normalise.js'
export { ReportScanner, type ScanOptions, type ScanSummary, scanReport } from './report-scanner.js'
export type { ReportInfo, ReportProcess, ReportSignature, ReportSink, ReportTarget } from './sink.js'
