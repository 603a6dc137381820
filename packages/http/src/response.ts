/** An answer whose body is still on its way. */
import { JsonError, parseJson } from '@cuckoo-distributed/json-scanner'
import type { Dispatcher } from 'undici'
import { BodyTooLargeError, NetworkError, NotJsonError, TruncatedBodyError } from './errors.js'
import type { Exchange } from './exchange.js'
import { type ElementOptions, jsonElements } from './json-elements.js'
import { excerptOf } from './text.js'

const ELEMENT_LIMIT = 16 * 2 ** 20
const EXCERPT_SOURCE_LENGTH = 4096

/**
 * The status and headers of an answer, and its body to be read once. One of `json`, `jsonElements`, `text`, `stream` or
 * `discard` must be called, or the connection stays open.
 *
 * Reading rejects with the reason of the request's signal, `TimeoutError` when no byte comes for the request's
 * `bodyTimeoutMs`, `BodyTooLargeError`, or `TruncatedBodyError`.
 */
export class HttpResponse {
  readonly status: number
  /** By lower-case name; a header that came several times is a list. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** `Content-Type` as sent, or an empty string. */
  readonly contentType: string
  /** Announced number of bytes of the body. */
  readonly contentLength: number | undefined
  readonly #body: Dispatcher.ResponseData['body']
  readonly #exchange: Exchange

  constructor(data: Dispatcher.ResponseData, exchange: Exchange) {
    this.status = data.statusCode
    this.headers = data.headers
    this.contentType = String(data.headers['content-type'] ?? '')
    const length = data.headers['content-length']
    this.contentLength = typeof length === 'string' && /^\d+$/.test(length) ? Number(length) : undefined
    this.#body = data.body
    this.#exchange = exchange
  }

  /** The body, chunk by chunk. Leaving the loop early closes the connection. `limit` is in bytes. */
  async *stream(limit: number): AsyncGenerator<Buffer, void, undefined> {
    if (this.contentLength !== undefined && this.contentLength > limit) {
      this.discard()
      throw new BodyTooLargeError(this.#exchange, limit)
    }
    let received = 0
    try {
      for await (const chunk of this.#body) {
        received += chunk.length
        if (received > limit) throw new BodyTooLargeError(this.#exchange, limit)
        yield chunk
      }
    } catch (error: unknown) {
      throw this.#readError(error, received)
    }
    if (this.contentLength !== undefined && received !== this.contentLength) {
      throw new TruncatedBodyError(this.#exchange, received, this.contentLength)
    }
  }

  /** The whole body as UTF-8 text, at most `limit` bytes. */
  async text(limit: number): Promise<string> {
    const chunks: Buffer[] = []
    for await (const chunk of this.stream(limit)) chunks.push(chunk)
    return Buffer.concat(chunks).toString('utf8')
  }

  /**
   * The whole body, at most `limit` bytes, parsed. `NaN` and the infinities, which Python writes, are null; integers beyond
   * 2^53 are strings. Rejects with `NotJsonError` when it is not JSON.
   */
  async json(limit: number): Promise<unknown> {
    const text = await this.text(limit)
    try {
      return parseJson(text)
    } catch (error: unknown) {
      throw this.#notJson(text.slice(0, EXCERPT_SOURCE_LENGTH), error)
    }
  }

  /**
   * The objects of the list under `key` of the body's top-level object, one at a time; for lists too long for `json`.
   * They count only once the iteration has finished. `limit` is in bytes for the whole body; an element may have 16 MiB.
   * `onUnreadable` is called for each element that cannot be read, which is left out then.
   * Rejects with `NotJsonError` when the body is no such document.
   */
  async *jsonElements(
    key: string,
    limit: number,
    options: Pick<ElementOptions, 'onUnreadable'> = {},
  ): AsyncGenerator<unknown, void, undefined> {
    let head = ''
    const chunks = this.stream(limit)
    const noting = async function* () {
      for await (const chunk of chunks) {
        if (head.length < EXCERPT_SOURCE_LENGTH) head += chunk.toString('latin1', 0, EXCERPT_SOURCE_LENGTH)
        yield chunk
      }
    }
    try {
      yield* jsonElements(noting(), key, { ...options, elementLimit: ELEMENT_LIMIT })
    } catch (error: unknown) {
      if (!(error instanceof JsonError)) throw error
      throw error.code === 'too-large'
        ? new BodyTooLargeError(this.#exchange, ELEMENT_LIMIT)
        : this.#notJson(head, error)
    }
  }

  /** Gives up the body and closes the connection. */
  discard(): void {
    this.#body.on('error', () => {}).destroy()
  }

  #notJson(head: string, cause: unknown): NotJsonError {
    return new NotJsonError(
      this.#exchange,
      { status: this.status, excerpt: excerptOf(head, this.#exchange.secrets) },
      cause,
    )
  }

  #readError(error: unknown, received: number): unknown {
    const failure = this.#exchange.toError(error)
    // undici reports a reset and an early end alike, so they are not told apart here.
    if (!(failure instanceof NetworkError)) return failure
    return new TruncatedBodyError(this.#exchange, received, this.contentLength, error)
  }
}
