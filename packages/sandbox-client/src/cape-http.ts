/** How CAPE is asked: nearly everything, failures included, comes with status 200 (`kevoreilly/CAPEv2:web/apiv2/views.py`). */
import {
  type AddressRule,
  HttpClient,
  type HttpResponse,
  type RequestOptions,
  StatusError,
} from '@cuckoo-distributed/http'
import { failureIn, isUnknownTask, refusalOf } from './cape-answer.js'
import { TokenRefusedError, WebPageError } from './errors.js'
import { Pace } from './pace.js'
import type { Download } from './sandbox.js'

export const ANSWER_LIMIT = 16 * 2 ** 20
/** Archives are made as a whole before their first byte is sent. */
const SLOW_ANSWER_MS = 5 * 60_000
/** An endpoint that was off is asked for again after this. */
const OFF_MS = 3_600_000

export interface CapeHttpOptions {
  /** As of `CuckooClient`. */
  readonly baseUrl: URL
  readonly verifySsl: boolean
  readonly maxConnections: number
  readonly connectTimeoutMs?: number | undefined
  readonly headersTimeoutMs?: number | undefined
  /** As for `HttpClient`. */
  readonly isAllowed?: AddressRule | undefined
  /** Sent as `Authorization: Token <apiToken>` (`kevoreilly/CAPEv2:web/apikey/authentication.py`). */
  readonly apiToken?: string | undefined
  /** Of this client's user; CAPE counts only where it asks for a token. Default: no bound. */
  readonly requestsPerMinute?: number | undefined
  /** How many requests a sample costs this client, on average; only to tell what `requestsPerMinute` means. */
  readonly requestsPerSample?: number | undefined
  /** Called once for what is switched off and can be done without, and for the bound, with a sentence. */
  readonly onNotice?: ((text: string) => void) | undefined
}

/** Requests to one CAPE, at its pace. */
export class CapeHttp implements AsyncDisposable {
  readonly baseUrl: string
  readonly intervalMs: number
  readonly #http: HttpClient
  readonly #pace: Pace | undefined
  readonly #onNotice: (text: string) => void
  /** When what was switched off may be asked for again (`performance.now`). */
  readonly #offUntil = new Map<string, number>()
  readonly #told = new Set<string>()
  readonly #bound: string | undefined
  #version = ''

  constructor({ apiToken, requestsPerMinute, requestsPerSample, onNotice, ...options }: CapeHttpOptions) {
    const token = apiToken === undefined ? undefined : { scheme: 'Token', value: apiToken }
    this.#http = new HttpClient({ ...options, ...(token && { token }) })
    this.#pace = token && requestsPerMinute !== undefined ? new Pace(requestsPerMinute) : undefined
    this.#onNotice = onNotice ?? (() => undefined)
    this.baseUrl = this.#http.baseUrl
    this.intervalMs = this.#pace?.intervalMs ?? 0
    this.#bound = this.#pace && boundOf(this.baseUrl, 60_000 / this.intervalMs, requestsPerSample)
  }

  /** As it calls itself; empty before its first answer. */
  get version(): string {
    return this.#version
  }

  /** What is there is told by its disposition: failures come with status 200 as well. */
  async file(path: string, signal: AbortSignal): Promise<Download> {
    const expectStatus = [400, 404]
    const response = await this.request({ path, signal, expectStatus, headersTimeoutMs: SLOW_ANSWER_MS })
    if (response.status === 200 && response.headers['content-disposition'] !== undefined) return response
    if (response.contentType.startsWith('text/html') && response.status === 200) {
      response.discard()
      throw new WebPageError(this.url(path))
    }
    const said = failureIn(await response.json(ANSWER_LIMIT)) ?? 'neither a file nor a failure'
    if (isUnknownTask(said) || /still being analyzed|^Task failed/.test(said)) return undefined
    if (/^(No (?!analysis directory)|Reports directory|Report format|PCAP does not|Memory dump not found)/.test(said))
      return 'none'
    throw refusalOf(this.url(path), path, said)
  }

  /** The answer; undefined: there is no such task that the user may see. */
  async jsonOrUnknown(path: string, signal: AbortSignal): Promise<unknown> {
    const response = await this.request({ path, signal, expectStatus: [404] })
    const answer = await response.json(ANSWER_LIMIT)
    const said = failureIn(answer)
    if (said === undefined) return answer
    if (isUnknownTask(said)) return undefined
    throw refusalOf(this.url(path), path, said)
  }

  /** The answer, if it is no failure. */
  async json(path: string, signal: AbortSignal, options: Pick<RequestOptions, 'query'> = {}): Promise<unknown> {
    const response = await this.request({ path, signal, ...options })
    const answer = await response.json(ANSWER_LIMIT)
    const said = failureIn(answer)
    if (said !== undefined) throw refusalOf(this.url(path), path, said)
    return answer
  }

  /** The answer, whatever it says. */
  async post(request: Omit<RequestOptions, 'method'>, signal: AbortSignal): Promise<unknown> {
    return (await this.request({ ...request, signal }, 'POST')).json(ANSWER_LIMIT)
  }

  /** Rejects with TokenRefusedError for status 401 and 403. */
  async request(request: Omit<RequestOptions, 'method'>, method: 'GET' | 'POST' = 'GET'): Promise<HttpResponse> {
    await this.#pace?.take(request.signal)
    try {
      const headers = { accept: 'application/json', ...request.headers }
      const response = await this.#http.request({ ...request, method, headers })
      const version = response.headers['x-cuckoo-version']
      if (typeof version === 'string') this.#version = version
      if (this.#bound !== undefined && this.#version !== '') this.#tell('bound', this.#bound)
      return response
    } catch (error: unknown) {
      throw error instanceof StatusError && [401, 403].includes(error.status) ? new TokenRefusedError(error) : error
    }
  }

  /** Whether it was found to be off within the last hour. */
  isOff(what: string): boolean {
    return performance.now() < (this.#offUntil.get(what) ?? 0)
  }

  /** `notice` is told the first time. */
  setOff(what: string, notice: string): void {
    this.#offUntil.set(what, performance.now() + OFF_MS)
    this.#tell(what, notice)
  }

  #tell(what: string, notice: string): void {
    if (!this.#told.has(what)) this.#onNotice(notice)
    this.#told.add(what)
  }

  url(path: string): string {
    return `${this.baseUrl}${path}`
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#http[Symbol.asyncDispose]()
  }
}

function boundOf(url: string, perMinute: number, perSample: number | undefined): string {
  const round = (number: number) => Number(number.toPrecision(2))
  const samples = perSample === undefined ? '' : `, about ${round(perMinute / perSample)} samples`
  return `${url}: at most ${round(perMinute)} requests a minute${samples} (RequestsPerMinute)`
}
