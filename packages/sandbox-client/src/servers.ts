/** The Cuckoo servers that a process talks to: one client and one memory of outages for each base URL. */
import { Availability, type AvailabilityOptions, displayUrl, parseBaseUrl } from '@cuckoo-distributed/http'
import { CuckooClient } from './client.js'
import { DoubtfulStatusError, UnexpectedAnswerError } from './errors.js'
import { MarkIndex, type MarkIndexOptions } from './mark-index.js'
import type { SandboxClient, TaskQueries } from './sandbox.js'

export interface CuckooServersOptions {
  /** As for `CuckooClient`. */
  readonly verifySsl: boolean
  /** As for `CuckooClient`, for each server. */
  readonly maxConnections: number
  /** Bearer tokens by base URL; a token goes to no other server than the one it is for. Default: none. */
  readonly apiTokens?: Readonly<Record<string, string>> | undefined
  /** As for `Availability`. */
  readonly backOff?: AvailabilityOptions['backOff']
  /** As for `MarkIndex`. */
  readonly marks?: Omit<MarkIndexOptions, 'cuckoo'> | undefined
  /** Called when a Cuckoo goes down or comes back, with its base URL without user info. */
  readonly onAvailability?: (baseUrl: string, state: 'up' | 'down', error: unknown) => void
}

/** One Cuckoo, and whether it answers. */
export class CuckooServer implements AsyncDisposable {
  readonly client: SandboxClient
  /** Shared by all who wait for this Cuckoo to come back. */
  readonly availability: Availability
  /** `client`, but each question waits for a Cuckoo that is away. */
  readonly patient: TaskQueries
  /** Shared by all who look for their task; waits for a Cuckoo that is away. */
  readonly marks: MarkIndex

  constructor({
    onAvailability,
    backOff,
    apiTokens = {},
    marks = {},
    ...options
  }: CuckooServersOptions & { readonly baseUrl: URL }) {
    const own = displayUrl(options.baseUrl)
    const token = Object.entries(apiTokens).find(([url]) => displayUrl(parseBaseUrl(url)) === own)
    this.client = new CuckooClient({ ...options, apiToken: token?.[1] })
    this.availability = new Availability({
      probe: signal => believedStatus(this.client, signal),
      ...(backOff && { backOff }),
      onChange: (state, error) => onAvailability?.(this.client.baseUrl, state, error),
    })
    this.patient = patientQueries(this.client, this.availability)
    this.marks = new MarkIndex({ ...marks, cuckoo: this.patient })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client[Symbol.asyncDispose]()
  }
}

/**
 * The control call: a status whose counters can be believed. JSON of another API is an answer, too; what is wrong with it is
 * for the call itself to find.
 *
 * @throws DoubtfulStatusError, and what `status` throws
 */
export async function believedStatus(client: Pick<SandboxClient, 'status' | 'baseUrl'>, signal: AbortSignal) {
  try {
    const status = await client.status(signal)
    if (!status.tasksKnown) throw new DoubtfulStatusError(client.baseUrl)
  } catch (error: unknown) {
    if (!(error instanceof UnexpectedAnswerError)) throw error
  }
}

function patientQueries(client: SandboxClient, availability: Availability): TaskQueries {
  return {
    status: signal => availability.patiently(signal, inner => client.status(inner)),
    listTasks: (options, signal) => availability.patiently(signal, inner => client.listTasks(options, inner)),
    viewTask: (id, signal) => availability.patiently(signal, inner => client.viewTask(id, inner)),
  }
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
    const server = new CuckooServer({ ...this.#options, baseUrl: url })
    this.#servers.set(key, server)
    return server
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#servers.values()].map(server => server[Symbol.asyncDispose]()))
  }
}
