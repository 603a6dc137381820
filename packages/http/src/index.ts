export { Availability, type AvailabilityOptions, type Control, ServerAwayError } from './availability.js'
export { HttpClient, type HttpClientOptions, type RequestOptions } from './client.js'
export { allowedUrls, VerifySSL } from './config.js'
export { AddressRefusedError, type AddressRule } from './connector.js'
export {
  BodyTooLargeError,
  CertificateError,
  HttpError,
  NetworkError,
  NotJsonError,
  type RequestLine,
  type StatusDetails,
  StatusError,
  TimeoutError,
  TruncatedBodyError,
} from './errors.js'
export { type Fault, faultOf } from './fault.js'
export { multipartUpload, type Upload, type UploadFile, UploadSizeError } from './multipart.js'
export { type ReachOptions, reachProblems, statusProblem } from './reach.js'
export { HttpResponse } from './response.js'
export { checkUrl, displayUrl, parseBaseUrl, UrlError, urlProblems } from './url.js'
