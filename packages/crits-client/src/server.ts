/** The CRITs servers a process talks to: connections, load limits and outages, one set for each base URL. */

import { Availability, checkUrl, displayUrl, HttpClient, parseBaseUrl, UrlError } from '@cuckoo-distributed/http'
import { delay, Semaphore } from '@cuckoo-distributed/wait'
import { type CritsGate, SERVICES_PATH } from './call.js'
import { CritsClient } from './client.js'
import { KeyedLocks } from './keyed-locks.js'
import type { CritsTarget } from './target.js'

/** CRITs has few worker processes, and each of our calls occupies one. */
const CALLS_IN_FLIGHT = 2
const PROBE_TIMEOUT_MS = 10_000
/** Far below the 5 s after which Apache closes an idle connection; each takes one of its processes meanwhile. */
const IDLE_MS = 400

export interface CritsServerOptions {
  /** Where `/api/v1/` begins, e.g. `https://crits.example.org`. */
  readonly baseUrl: URL
  /** Whether its certificate must be valid. */
  readonly verifySsl: boolean
  /** Milliseconds after each call before the next begins. Default 0. */
  readonly pauseMs?: number | undefined
  /** Called when calls begin to fail, with the first error, and when one succeeds again. */
  readonly onAvailability?: ((state: 'up' | 'down', error: unknown) => void) | undefined
}

/** One CRITs, with at most two calls at a time however many analyses are worked on. */
export class CritsServer implements CritsGate, AsyncDisposable {
  readonly http: HttpClient
  /** Shared by all who wait for this CRITs to come back. */
  readonly availability: Availability
  readonly #calls = new Semaphore(CALLS_IN_FLIGHT)
  readonly #locks = new KeyedLocks()
  readonly #pauseMs: number
  #quietUntil = 0

  constructor({ baseUrl, verifySsl, pauseMs = 0, onAvailability }: CritsServerOptions) {
    this.http = new HttpClient({ baseUrl, verifySsl, idleMs: IDLE_MS })
    this.#pauseMs = pauseMs
    this.availability = new Availability({
      probe: signal => this.#probe(signal),
      ...(onAvailability && { onChange: onAvailability }),
    })
  }

  /** Calls for one analysis. */
  client(target: CritsTarget): CritsClient {
    return new CritsClient(this, target)
  }

  /**
   * Waits until no other call holds one of `keys` and there is room for a call; resolves with what ends the call.
   * Keys must be given in the same order by all callers. Rejects with `signal.reason`.
   */
  async acquire(keys: readonly string[], signal: AbortSignal): Promise<() => void> {
    const releases: (() => void)[] = []
    const releaseAll = () => {
      for (const release of releases.splice(0)) release()
    }
    try {
      for (const key of keys) releases.push(await this.#locks.acquire(key, signal))
      releases.push(await this.#calls.acquire(signal))
      await delay(Math.max(0, this.#quietUntil - performance.now()), signal)
    } catch (error: unknown) {
      releaseAll()
      throw error
    }
    return () => {
      this.#quietUntil = performance.now() + this.#pauseMs
      releaseAll()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.http[Symbol.asyncDispose]()
  }

  /** The services API knows only POST: its 405 comes before credentials and database are looked at. */
  async #probe(signal: AbortSignal): Promise<void> {
    const response = await this.http.request({
      method: 'GET',
      path: SERVICES_PATH,
      expectStatus: [405],
      headersTimeoutMs: PROBE_TIMEOUT_MS,
      signal,
    })
    response.discard()
  }
}

export interface CritsServersOptions {
  /** As for `CritsServer`. */
  readonly verifySsl: boolean
  /** As for `CritsServer`. */
  readonly pauseMs?: number
  /** Base URL for messages that name none; empty = such messages cannot be handled. Default empty. */
  readonly defaultUrl?: string
  /** Base URLs that messages may name, see `checkUrl`; empty = any. Default empty. */
  readonly allowedUrls?: readonly string[]
  /** As for `CritsServer`, with the base URL without user info. */
  readonly onAvailability?: (baseUrl: string, state: 'up' | 'down', error: unknown) => void
}

/** One `CritsServer` for each base URL, made when a message names it for the first time. */
export class CritsServers implements AsyncDisposable {
  readonly #options: CritsServersOptions
  readonly #default: URL | undefined
  readonly #allowed: readonly URL[]
  readonly #servers = new Map<string, CritsServer>()

  /** @throws UrlError */
  constructor(options: CritsServersOptions) {
    this.#options = options
    this.#default = options.defaultUrl ? parseBaseUrl(options.defaultUrl) : undefined
    this.#allowed = (options.allowedUrls ?? []).map(parseBaseUrl)
  }

  /**
   * The server for a message with this `crits_url`, which may be empty. The configured default is trusted.
   *
   * @throws UrlError (NO_CRITS_URL, URL_NOT_ALLOWED)
   */
  forMessage(critsUrl: string): CritsServer {
    const url = critsUrl === '' ? this.#default : this.#check(critsUrl)
    if (url === undefined) {
      throw new UrlError('NO_CRITS_URL', 'the message has no crits_url, and "CritsURL" is not configured')
    }
    return this.#at(url)
  }

  /**
   * The `crits_url` of the message that follows one with this `crits_url`: the default is filled in for stages that have
   * none.
   *
   * @throws UrlError (URL_NOT_ALLOWED)
   */
  urlToPassOn(critsUrl: string): string {
    if (critsUrl === '') return this.#options.defaultUrl ?? ''
    this.#check(critsUrl)
    return critsUrl
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#servers.values()].map(server => server[Symbol.asyncDispose]()))
  }

  /** The configured default is trusted, user info and all. */
  #check(critsUrl: string): URL {
    const { defaultUrl = '' } = this.#options
    return this.#default && sameUrl(critsUrl, defaultUrl) ? this.#default : checkUrl(critsUrl, this.#allowed)
  }

  #at(baseUrl: URL): CritsServer {
    const key = displayUrl(baseUrl)
    const known = this.#servers.get(key)
    if (known) return known
    const { verifySsl, pauseMs, onAvailability } = this.#options
    const server: CritsServer = new CritsServer({
      baseUrl,
      verifySsl,
      ...(pauseMs !== undefined && { pauseMs }),
      onAvailability: (state, error) => onAvailability?.(server.http.baseUrl, state, error),
    })
    this.#servers.set(key, server)
    return server
  }
}

function sameUrl(a: string, b: string): boolean {
  return a.replace(/\/+$/, '') === b.replace(/\/+$/, '')
}
