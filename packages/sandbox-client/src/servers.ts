/** The sandboxes that a process talks to: one client and one memory of outages for each base URL. */
import {
  type AddressRule,
  Availability,
  type AvailabilityOptions,
  displayUrl,
  parseBaseUrl,
} from '@cuckoo-distributed/http'
import { CapeClient, type CapeDelete } from './cape-client.js'
import type { JunkNames } from './cape-create.js'
import { CuckooClient } from './client.js'
import { DetectingClient, mayBeAnother } from './detecting-client.js'
import { DoubtfulStatusError, TokenRefusedError, UndecidedSandboxError, UnexpectedAnswerError } from './errors.js'
import { MarkIndex, type MarkIndexOptions } from './mark-index.js'
import type { SandboxClient, SandboxKind, TaskQueries } from './sandbox.js'

export interface CuckooServersOptions {
  /** As for `CuckooClient`. */
  readonly verifySsl: boolean
  /** As for `CuckooClient`, for each server. */
  readonly maxConnections: number
  /** As for `CuckooClient`. */
  readonly connectTimeoutMs?: number | undefined
  readonly headersTimeoutMs?: number | undefined
  readonly isAllowed?: AddressRule | undefined
  /** Tokens by base URL; a token goes to no other server than the one it is for. Default: none. */
  readonly apiTokens?: Readonly<Record<string, string>> | undefined
  /** As for `Availability`. */
  readonly backOff?: AvailabilityOptions['backOff']
  /** As for `MarkIndex`. */
  readonly marks?: Omit<MarkIndexOptions, 'cuckoo'> | undefined
  /** For each CAPE; as for `CapeClient`. */
  readonly requestsPerMinute?: number | undefined
  readonly requestsPerSample?: number | undefined
  readonly junkNames?: JunkNames | undefined
  readonly capeDelete?: CapeDelete | undefined
  /** Called once with what kind of sandbox a URL is. Only where that had to be found out. */
  readonly onKind?: ((baseUrl: string, kind: SandboxKind, version: string) => void) | undefined
  /** Called with what an administrator should know, once each: a sentence that names the URL. */
  readonly onNotice?: ((text: string) => void) | undefined
  /** Called when a Cuckoo goes down or comes back, with its base URL without user info. */
  readonly onAvailability?: (baseUrl: string, state: 'up' | 'down', error: unknown) => void
}

export interface CuckooServerOptions extends CuckooServersOptions {
  readonly baseUrl: URL
  /** What it is. Default: found out with the first answer. */
  readonly kind?: SandboxKind | undefined
}

/** The client of one sandbox. */
export function sandboxClient({ kind, apiTokens = {}, ...options }: CuckooServerOptions): SandboxClient {
  const own = displayUrl(options.baseUrl)
  const token = Object.entries(apiTokens).find(([url]) => displayUrl(parseBaseUrl(url)) === own)
  const cuckoo = () => new CuckooClient({ ...options, apiToken: token?.[1] })
  const cape = () => new CapeClient({ ...options, apiToken: token?.[1] })
  if (kind === 'cuckoo') return cuckoo()
  return kind === 'cape' ? cape() : new DetectingClient(cuckoo(), cape(), options.onKind)
}

/** One sandbox, and whether it answers. */
export class CuckooServer implements AsyncDisposable {
  readonly client: SandboxClient
  /** Shared by all who wait for this Cuckoo to come back. */
  readonly availability: Availability
  /** `client`, but each question waits for a Cuckoo that is away. */
  readonly patient: TaskQueries
  /** Shared by all who look for their task; waits for a Cuckoo that is away. */
  readonly marks: MarkIndex

  constructor({ onAvailability, backOff, marks = {}, ...options }: CuckooServerOptions) {
    this.client = sandboxClient(options)
    const { baseUrl } = this.client
    const status = statusOf(this.client, options.kind)
    this.availability = new Availability({
      probe: signal => believedStatus({ baseUrl, status }, signal),
      // A probe counts where requests are few.
      freshMs: () => Math.max(30_000, 3 * this.client.intervalMs),
      ...(backOff && { backOff }),
      onChange: (state, error) => onAvailability?.(baseUrl, state, error),
    })
    this.patient = patientQueries(this.client, status, this.availability)
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

/** The status of `client`; an answer that no sandbox of the kind gives that somebody has said is told as that. */
function statusOf(client: SandboxClient, said: SandboxKind | undefined): SandboxClient['status'] {
  return async signal => {
    try {
      return await client.status(signal)
    } catch (error: unknown) {
      const isTold = error instanceof TokenRefusedError || error instanceof UnexpectedAnswerError
      if (said === undefined || isTold || !mayBeAnother(error)) throw error
      throw new UndecidedSandboxError(client.baseUrl, error, said)
    }
  }
}

function patientQueries(
  client: SandboxClient,
  status: SandboxClient['status'],
  availability: Availability,
): TaskQueries {
  return {
    status: signal => availability.patiently(signal, status),
    listTasks: (options, signal) => availability.patiently(signal, inner => client.listTasks(options, inner)),
    viewTask: (id, signal) => availability.patiently(signal, inner => client.viewTask(id, inner)),
    searchTasks: (file, signal) => availability.patiently(signal, async inner => client.searchTasks?.(file, inner)),
  }
}

/**
 * One `CuckooServer` for each base URL, made when a message names it for the first time. What it is never changes: a message that
 * says otherwise of the same URL gets a server of its own.
 */
export class CuckooServers implements AsyncDisposable {
  readonly #options: CuckooServersOptions
  readonly #servers = new Map<string, CuckooServer>()

  constructor(options: CuckooServersOptions) {
    this.#options = options
  }

  /** `said`: what the message says that it is; a word that nobody knows says nothing. */
  at(url: URL, said?: string): CuckooServer {
    const kind = said === 'cuckoo' || said === 'cape' ? said : undefined
    const base = displayUrl(url)
    const known = this.#servers.get(base)
    if (known && (kind === undefined || known.client.kind === kind)) return known
    const key = known ? `${base} ${kind}` : base
    const server = this.#servers.get(key) ?? new CuckooServer({ ...this.#options, baseUrl: url, kind })
    this.#servers.set(key, server)
    return server
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#servers.values()].map(server => server[Symbol.asyncDispose]()))
  }
}
