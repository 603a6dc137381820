/** One request on its way: its body, whether that was begun, and what its failures mean. */
import { CertificateError, HttpError, NetworkError, type RequestLine, TimeoutError } from './errors.js'
import type { Upload } from './multipart.js'

const TIMEOUT_CODES = new Set([
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'ETIMEDOUT',
])

/** What Node calls a certificate that it does not accept (`nodejs/node:doc/api/tls.md`). */
const CERTIFICATE_CODES = new Set([
  'CERT_CHAIN_TOO_LONG',
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_REJECTED',
  'CERT_REVOKED',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERROR_IN_CERT_NOT_AFTER_FIELD',
  'ERROR_IN_CERT_NOT_BEFORE_FIELD',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'HOSTNAME_MISMATCH',
  'INVALID_CA',
  'INVALID_PURPOSE',
  'PATH_LENGTH_EXCEEDED',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY',
  'UNABLE_TO_DECRYPT_CERT_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
])

/** Codes of undici that tell of a mistake in this program, not of the network. */
const MISUSE_CODES = new Set([
  'ERR_ASSERTION',
  'UND_ERR_CLOSED',
  'UND_ERR_DESTROYED',
  'UND_ERR_INVALID_ARG',
  'UND_ERR_INVALID_RETURN_VALUE',
  'UND_ERR_NOT_SUPPORTED',
  'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
])

export interface ExchangeOptions extends RequestLine {
  readonly signal: AbortSignal
  readonly secrets: readonly string[]
  readonly onBegun: (() => void) | undefined
}

export class Exchange implements RequestLine {
  readonly method: string
  readonly url: string
  readonly signal: AbortSignal
  /** Text that no error may show. */
  readonly secrets: readonly string[]
  readonly #onBegun: (() => void) | undefined
  #bodyBegun = false
  #sourceFailure: { readonly error: unknown } | undefined

  constructor(options: ExchangeOptions) {
    this.method = options.method
    this.url = options.url
    this.signal = options.signal
    this.secrets = options.secrets
    this.#onBegun = options.onBegun
  }

  /** The body as the socket pulls it. The first pull comes when the connection stands and nothing is written yet. */
  async *body(upload: Upload): AsyncGenerator<Uint8Array> {
    this.#bodyBegun = true
    this.#onBegun?.()
    const source = upload.open()[Symbol.asyncIterator]()
    try {
      for (;;) {
        const next = await source.next().catch((error: unknown) => {
          this.#sourceFailure = { error }
          throw error
        })
        if (next.done) return
        yield next.value
      }
    } finally {
      await source.return?.()
    }
  }

  /** What to throw for an error of the transport: the caller's own abort reason and source errors stay as they are. */
  toError(error: unknown): unknown {
    if (this.signal.aborted) return this.signal.reason
    if (this.#sourceFailure) return this.#sourceFailure.error
    if (error instanceof HttpError) return error
    const code = errorCode(error)
    if (code === undefined || MISUSE_CODES.has(code)) return error
    if (CERTIFICATE_CODES.has(code)) return new CertificateError(this, error)
    if (TIMEOUT_CODES.has(code)) return new TimeoutError(this, this.#bodyBegun, error)
    return new NetworkError(this, this.#bodyBegun, error)
  }
}

/** The `code` of an error of Node or undici. */
function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
