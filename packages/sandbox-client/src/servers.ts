/** The Cuckoo servers that a process talks to: one client and one memory of outages for each base URL. */
import { Availability, type AvailabilityOptions, displayUrl, parseBaseUrl } from '@cuckoo-distributed/http'
import { CuckooClient } from './client.js'
import { UnexpectedAnswerError } from './errors.js'

export interface CuckooServersOptions {
  /** As for `CuckooClient`. */
  readonly verifySsl: boolean
  /** As for `CuckooClient`, for each server. */
  readonly maxConnections: number
  /** Bearer tokens by base URL; a token goes to no other server than the one it is for. Default: none. */
  readonly apiTokens?: Readonly<Record<string, string>> | undefined
  /** As for `Availability`. */
  readonly backOff?: AvailabilityOptions['backOff']
  /** Called when a Cuckoo goes down or comes back, with its base URL without user info. */
  readonly onAvailability?: (baseUrl: string, state: 'up' | 'down', error: unknown) => void
}

/** One Cuckoo, and whether it answers. */
export class CuckooServer implements AsyncDisposable {
  readonly client: CuckooClient
  /** Shared by all who wait for this Cuckoo to come back. */
  readonly availability: Availability

  /** @throws InvalidUrlError */
  constructor({
    onAvailability,
    backOff,
    apiTokens = {},
    ...options
  }: CuckooServersOptions & { readonly baseUrl: string }) {
    const own = displayUrl(parseBaseUrl(options.baseUrl))
    const token = Object.entries(apiTokens).find(([url]) => displayUrl(parseBaseUrl(url)) === own)
    this.client = new CuckooClient({ ...options, apiToken: token?.[1] })
    this.availability = new Availability({
      probe: signal => this.client.status(signal).catch(anyAnswer),
      ...(backOff && { backOff }),
      onChange: (state, error) => onAvailability?.(this.client.baseUrl, state, error),
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client[Symbol.asyncDispose]()
  }
}

/** Whoever answers is there; what is wrong with the answer is for the call itself to find. */
function anyAnswer(error: unknown): void {
  if (!(error instanceof UnexpectedAnswerError)) throw error
}

/** One `CuckooServer` for each base URL, made when a message names it for the first time. */
export class CuckooServers implements AsyncDisposable {
  readonly #options: CuckooServersOptions
  readonly #servers = new Map<string, CuckooServer>()

  constructor(options: CuckooServersOptions) {
    this.#options = options
  }

  at(url: URL): CuckooServer {
    const key = displayUrl(url)
    const known = this.#servers.get(key)
    if (known) return known
    const server = new CuckooServer({ ...this.#options, baseUrl: url.href })
    this.#servers.set(key, server)
    return server
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#servers.values()].map(server => server[Symbol.asyncDispose]()))
  }
}
