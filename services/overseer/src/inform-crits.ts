// Tells CRITs that an analysis was given up, so that the analyst does not wait for results.
import { type CritsData, describeError, type StageContext } from '@cuckoo-distributed/core'
import { CritsServers } from '@cuckoo-distributed/crits-client'
import { timeLimit } from '@cuckoo-distributed/wait'

/** One try, all calls and their waiting included. The dump is what counts. */
const TRY_MS = 30_000

/** `Desc` of a failure whose task was most likely done and cleaned up before: its analysis is no error. */
export const TASK_GONE_AFTER_CLEANUP = 'TASK_GONE_AFTER_CLEANUP'

export interface CritsInformerOptions {
  readonly CritsURL: string
  readonly AllowedCritsURLs: readonly string[]
  readonly VerifySSL: boolean
}

export class CritsInformer implements AsyncDisposable {
  readonly #servers: CritsServers

  constructor({ VerifySSL, CritsURL, AllowedCritsURLs }: CritsInformerOptions) {
    this.#servers = new CritsServers({ verifySsl: VerifySSL, defaultUrl: CritsURL, allowedUrls: AllowedCritsURLs })
  }

  /** Adds a line to the analysis' log and, if `isError`, ends it as `error`. What CRITs does not take is only logged. */
  async inform(crits: CritsData, line: string, isError: boolean, context: StageContext): Promise<void> {
    const limit = timeLimit(context.working, TRY_MS, new Error(`no answer in ${TRY_MS / 1000} s`))
    try {
      const client = this.#servers.forMessage(crits.critsUrl).client(crits)
      await client.log('error', line, limit.signal)
      if (isError) await client.finish('error', limit.signal)
    } catch (error: unknown) {
      context.log.warn({ cause: describeError(error) }, 'CRITs could not be told that the analysis was given up')
    } finally {
      limit.dispose()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#servers[Symbol.asyncDispose]()
  }
}
