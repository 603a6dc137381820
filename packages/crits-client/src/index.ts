export { CritsClient, type LogLevel } from './client.js'
export { AllowedCritsURLs, CritsURL, critsAdvice, critsProblems } from './config.js'
export {
  AnalysisGoneError,
  CritsAuthError,
  CritsError,
  CritsStatusError,
  CritsUrlError,
  ResultsError,
  SampleError,
  type SampleErrorCode,
} from './errors.js'
export type { KnownSample } from './known-sample.js'
export { critsLooks, critsUser } from './look.js'
export { type ReadSampleOptions, readSample } from './read-sample.js'
export {
  POSTING_ORDER,
  type ResultRow,
  RowStore,
  type RowStoreOptions,
  STORED_BYTES_MAX,
  type Subtype,
  VALUE_CHARS_MAX,
} from './row-store.js'
export { type Cell, cutText, ENCODER_VERSION } from './row-writer.js'
export {
  CritsServer,
  type CritsServerOptions,
  CritsServers,
  type CritsServersOptions,
} from './server.js'
export { type SubmitOptions, submitRows } from './submit.js'
export type { CritsTarget } from './target.js'
export type { SampleFile, UploadResult } from './upload.js'
