export { type FaultMatch, type FaultRule, FaultScript, type HttpFault, Outage, playFault } from './faults.js'
export { MultipartError, type MultipartPart, multipartBoundary, readMultipart } from './multipart.js'
export * from './archive/index.js'
