// One watcher for each Cuckoo that messages name.
import { type Figure, logAvailability } from '@cuckoo-distributed/core'
import { type CuckooServer, CuckooServers, sandboxNotices } from '@cuckoo-distributed/sandbox-client'
import type { WatcherOptions } from './requests.js'
import { Watcher } from './watcher.js'

export interface WatchersOptions extends Omit<WatcherOptions, 'client' | 'availability'> {
  readonly verifySsl: boolean
  /** As for `CuckooServers`. */
  readonly apiTokens?: Readonly<Record<string, string>> | undefined
  /** As for `CuckooServers`. */
  readonly requestsPerMinute?: number | undefined
}

export class Watchers implements AsyncDisposable {
  readonly #options: WatchersOptions
  readonly #servers: CuckooServers
  readonly #watchers = new Map<CuckooServer, Watcher>()

  constructor(options: WatchersOptions) {
    this.#options = options
    this.#servers = new CuckooServers({
      verifySsl: options.verifySsl,
      maxConnections: 1,
      apiTokens: options.apiTokens,
      requestsPerMinute: options.requestsPerMinute,
      ...sandboxNotices(options.log),
      onAvailability: (url, state, error) => logAvailability(options.log, url, state, error),
    })
  }

  /** `sandbox`: what the message says that it is. */
  at(cuckooUrl: URL, sandbox?: string): Watcher {
    const { log } = this.#options
    const server = this.#servers.at(cuckooUrl, sandbox)
    const known = this.#watchers.get(server)
    if (known) return known
    const { client, availability } = server
    const watcher = new Watcher({ ...this.#options, client, availability, log: log.child({ cuckoo: client.baseUrl }) })
    this.#watchers.set(server, watcher)
    return watcher
  }

  /** For the metrics. */
  get figures(): Figure[] {
    return [
      {
        name: 'watched_tasks',
        help: 'Messages whose task is watched, by sandbox',
        kind: 'gauge',
        label: 'sandbox',
        read: () => [...this.#watchers].map(([{ client }, { watched }]) => [client.baseUrl, watched] as const),
      },
    ]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#servers[Symbol.asyncDispose]()
  }
}
