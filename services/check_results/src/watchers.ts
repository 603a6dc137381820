// One watcher for each Cuckoo that messages name.
import { type Logger, PermanentError } from '@cuckoo-distributed/core'
import { CuckooClient } from '@cuckoo-distributed/cuckoo-client'
import { checkUrl, displayUrl, UrlNotAllowedError } from '@cuckoo-distributed/http'
import { Watcher, type WatcherOptions } from './watcher.js'

export interface WatchersOptions extends Omit<WatcherOptions, 'cuckoo'> {
  readonly verifySsl: boolean
  /** Base URLs that messages may name; empty: any. */
  readonly allowedUrls: readonly string[]
  readonly log: Logger
}

export class Watchers implements AsyncDisposable {
  readonly #options: WatchersOptions
  readonly #watchers = new Map<string, Watcher>()
  readonly #clients: CuckooClient[] = []

  constructor(options: WatchersOptions) {
    this.#options = options
  }

  /** Throws PermanentError URL_NOT_ALLOWED when `cuckooUrl` may not be asked, or is no base URL. */
  at(cuckooUrl: string): Watcher {
    const url = this.#allowed(cuckooUrl)
    const known = this.#watchers.get(url.href)
    if (known) return known
    const { verifySsl, allowedUrls: _, log, ...rest } = this.#options
    const cuckoo = new CuckooClient({ baseUrl: url.href, verifySsl, maxConnections: 1 })
    const watcher = new Watcher({ ...rest, cuckoo, log: log.child({ cuckoo: displayUrl(url) }) })
    this.#clients.push(cuckoo)
    this.#watchers.set(url.href, watcher)
    return watcher
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map(client => client[Symbol.asyncDispose]()))
  }

  #allowed(cuckooUrl: string): URL {
    try {
      return checkUrl(cuckooUrl, this.#options.allowedUrls)
    } catch (error: unknown) {
      if (error instanceof UrlNotAllowedError) throw new PermanentError(error.code, error.message, { cause: error })
      throw error
    }
  }
}
