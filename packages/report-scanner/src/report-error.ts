/**
 * Why a report could not be read:
 * - `truncated`: the input ended before the top-level object was closed;
 * - `not-json`: the first byte that is not white space is not `{` (an error page, mostly);
 * - `syntax`: a part of the report that is wanted breaks the rules of JSON.
 */
export type ReportErrorCode = 'truncated' | 'not-json' | 'syntax'

/** A report that is not a JSON object. `offset` is the position in bytes from the beginning of the report. */
export class ReportError extends Error {
  readonly code: ReportErrorCode
  readonly offset: number

  constructor(code: ReportErrorCode, offset: number, message: string, options?: ErrorOptions) {
    super(`report: ${message} (byte ${offset})`, options)
    this.name = 'ReportError'
    this.code = code
    this.offset = offset
  }
}
