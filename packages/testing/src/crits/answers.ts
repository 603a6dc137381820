// Answers of CRITs as values: the handlers return or throw them, the server sends them.

/** What is sent. `body` as an iterable needs `length`, its bytes. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | AsyncIterable<Buffer>
  readonly length?: number
  /** `return_code` of a JSON body. */
  readonly returnCode?: number
}

/** A value that `json.dumps` can write. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** An exception inside CRITs' API; becomes `status` (500) with an `error_message` that is generic unless debug is on. */
export class CritsCrash extends Error {
  readonly code = 'ERR_CRITS_CRASH'
  readonly status: number
  constructor(message: string, options: { status?: number; cause?: unknown } = {}) {
    super(message, { cause: options.cause })
    this.name = 'CritsCrash'
    this.status = options.status ?? 500
  }
}

/** tastypie's `BadRequest`: 400 with `{"error": message}`, whatever debug is. */
export class BadRequest extends Error {
  readonly code = 'ERR_CRITS_BAD_REQUEST'
}

const HTML = 'text/html; charset=utf-8'

/** Text of `json.dumps` in Python 2: ASCII only, a space after `,` and `:`. */
export function pythonJson(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(pythonJson).join(', ')}]`
  if (typeof value === 'object' && value !== null) {
    return `{${Object.entries(value)
      .map(([key, item]) => `${pythonJson(key)}: ${pythonJson(item)}`)
      .join(', ')}}`
  }
  return JSON.stringify(value).replaceAll(
    /[\u007f-\uffff]/g,
    char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

export function jsonAnswer(value: Readonly<Record<string, Json>>, status = 200): Answer {
  const code = value.return_code
  const answer = { status, headers: { 'content-type': 'application/json' }, body: pythonJson(value) }
  return typeof code === 'number' ? { ...answer, returnCode: code } : answer
}

/** An HTML page with `title` as its text. */
export function htmlAnswer(status: number, title: string, headers: Record<string, string> = {}): Answer {
  const body = `<!DOCTYPE html>\n<html><head><title>${title}</title></head><body><h1>${title}</h1></body></html>\n`
  return { status, headers: { 'content-type': HTML, ...headers }, body }
}

/** 401 and 404 of the API: HTML type, no body. */
export function emptyAnswer(status: 401 | 404): Answer {
  return { status, headers: { 'content-type': HTML }, body: '' }
}

/** 405: the body is the list of methods, nothing else. */
export function methodNotAllowed(methods: readonly string[]): Answer {
  const allowed = methods.join(',')
  return { status: 405, headers: { 'content-type': HTML, allow: allowed }, body: allowed }
}

/** The answer to an exception of the API that became `status`. */
export function crashAnswer(error: Error, status: number, debug: boolean): Answer {
  if (debug) {
    const traceback = `Traceback (most recent call last):\n${error.message}`
    return jsonAnswer({ error_message: error.message, traceback }, status)
  }
  return jsonAnswer({ error_message: 'Sorry, this request could not be processed. Please try again later.' }, status)
}
