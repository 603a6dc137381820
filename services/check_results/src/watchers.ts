// One watcher for each Cuckoo that messages name.
import { logAvailability } from '@cuckoo-distributed/core'
import { type CuckooServer, CuckooServers } from '@cuckoo-distributed/sandbox-client'
import type { WatcherOptions } from './requests.js'
import { Watcher } from './watcher.js'

export interface WatchersOptions extends Omit<WatcherOptions, 'client' | 'availability'> {
  readonly verifySsl: boolean
  /** As for `CuckooServers`. */
  readonly apiTokens?: Readonly<Record<string, string>> | undefined
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
      onAvailability: (url, state, error) => logAvailability(options.log, url, state, error),
    })
  }

  at(cuckooUrl: URL): Watcher {
    const { log } = this.#options
    const server = this.#servers.at(cuckooUrl)
    const known = this.#watchers.get(server)
    if (known) return known
    const { client, availability } = server
    const watcher = new Watcher({ ...this.#options, client, availability, log: log.child({ cuckoo: client.baseUrl }) })
    this.#watchers.set(server, watcher)
    return watcher
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#servers[Symbol.asyncDispose]()
  }
}
