/**
 * Why a document, or a value in it, could not be read:
 * - `truncated`: the input ended before the top-level object was closed;
 * - `not-json`: the first byte that is not white space is not `{` (an error page, mostly);
 * - `syntax`: a part that is wanted breaks the rules of JSON;
 * - `repeated`: an object that is walked has a wanted key twice, and both cannot count;
 * - `too-deep`, `too-large`: a value that is to be built has more containers in each other, or more bytes, than allowed.
 */
export type JsonErrorCode = 'truncated' | 'not-json' | 'syntax' | 'repeated' | 'too-deep' | 'too-large'

/** A document that could not be read. The message never quotes it. */
export class JsonError extends Error {
  readonly code: JsonErrorCode
  /** Position in bytes from the beginning of the document. */
  readonly offset: number
  /** What is wrong, without the place. */
  readonly problem: string

  /** `document`: what it is called in the message. */
  constructor(code: JsonErrorCode, offset: number, problem: string, document = 'JSON', options?: ErrorOptions) {
    super(`${document}: ${problem} (byte ${offset})`, options)
    this.name = 'JsonError'
    this.code = code
    this.offset = offset
    this.problem = problem
  }
}
