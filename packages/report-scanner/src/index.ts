export { JsonError } from '@cuckoo-distributed/json-scanner'
export type { ApiCall, CallArgument } from './normalise.js'
export { ReportScanner, type ScanOptions, type ScanSummary, scanReport } from './report-scanner.js'
export type { WantedSections } from './report-schema.js'
export type {
  ReportConfigValue,
  ReportDetection,
  ReportDomain,
  ReportHttpRequest,
  ReportInfo,
  ReportProcess,
  ReportSignature,
  ReportSink,
  ReportTarget,
  ReportTechnique,
  ReportVerdict,
  StoredFile,
} from './sink.js'
