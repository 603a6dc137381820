// What CRITs is to be told of analyses that were given up: kept on disk beside the dumps until CRITs has taken it.
import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import {
  type CritsData,
  describeError,
  InvalidMessageError,
  isSharedCause,
  type Logger,
  parseJson,
  toError,
  validator,
} from '@cuckoo-distributed/core'
import type { CritsClient, CritsServers } from '@cuckoo-distributed/crits-client'
import Type, { type Static } from 'typebox'
import { Claim } from './claim.js'

const NoticeFile = Type.Object({
  crits: Type.Object({
    critsUrl: Type.String(),
    analysisId: Type.String(),
    objectType: Type.String(),
    objectId: Type.String(),
    username: Type.String(),
    apiKey: Type.String(),
    md5: Type.String(),
    source: Type.String(),
  }),
  /** For the analysis' log. */
  line: Type.String(),
  /** Whether the analysis ends as `error`, too. */
  isError: Type.Boolean(),
  /** When it was written, in milliseconds since the epoch. */
  at: Type.Number(),
})
export type Notice = Static<typeof NoticeFile>
const isNotice = validator(NoticeFile)

export interface NoticesOptions {
  readonly dir: string
  readonly servers: CritsServers
  readonly log: Logger
  /** Seconds for which a CRITs is asked again that refuses its users. */
  readonly sharedCauseLimit: number
  /** Ends the telling; what CRITs has not taken stays on disk. */
  readonly stop: AbortSignal
}

/** As many as a CRITs gets calls at a time. */
const AT_A_TIME = 2
const NOTICE = /^\.notice-(?<server>[0-9a-f]{8})-(?<dump>.+)$/

/** The file of the notice that belongs to a dump. It names the server by a digest, so that each has a queue of its own. */
export function noticeName(dump: string, { critsUrl }: CritsData): string {
  return `.notice-${createHash('sha256').update(critsUrl).digest('hex').slice(0, 8)}-${dump}`
}

/** The dump that a file is the notice of. */
export function dumpOfNotice(file: string): string | undefined {
  return NOTICE.exec(file)?.groups?.dump
}

/** Tells each CRITs by itself: one that is away holds up nobody but its own analyses. */
export class Notices implements AsyncDisposable {
  readonly #options: NoticesOptions
  readonly #queues = new Map<string, { readonly files: Set<string>; workers: number }>()
  readonly #working = new Set<Promise<void>>()

  constructor(options: NoticesOptions) {
    this.#options = options
  }

  /** Tells what is on disk, that of former processes included. */
  async tellAll(): Promise<void> {
    for (const file of await readdir(this.#options.dir)) this.tell(file)
  }

  /** Tells CRITs as soon as it is its turn. `file`: in the directory; one that is no notice is passed over. */
  tell(file: string): void {
    const server = NOTICE.exec(file)?.groups?.server
    if (server === undefined) return
    const queue = this.#queues.get(server) ?? { files: new Set(), workers: 0 }
    this.#queues.set(server, queue)
    queue.files.add(file)
    if (queue.workers >= AT_A_TIME) return
    queue.workers += 1
    const work = this.#work(queue.files).finally(() => {
      queue.workers -= 1
      this.#working.delete(work)
    })
    this.#working.add(work)
  }

  /** Resolves once nothing is under way; to be called after `stop`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#working)
  }

  async #work(files: Set<string>): Promise<void> {
    for (const file of files) {
      if (this.#options.stop.aborted) return
      files.delete(file)
      await this.#deliver(file).catch((error: unknown) => {
        this.#options.log.warn({ file, cause: describeError(error) }, 'a notice for CRITs is left for later')
      })
    }
  }

  async #deliver(file: string): Promise<void> {
    const { dir, log, stop, sharedCauseLimit } = this.#options
    await using claim = await Claim.take(dir, file)
    if (!claim) return // its dump is being resubmitted, or another overseer was faster
    let notice: Notice | undefined
    try {
      notice = decodeNotice(await claim.read())
      await this.#inform(notice, stop)
    } catch (error: unknown) {
      if (stop.aborted) return claim.giveBack()
      const { analysisId, md5 } = notice?.crits ?? {}
      const subject = { file, analysisId, md5: md5 || undefined }
      log.warn({ ...subject, cause: describeError(error) }, 'CRITs could not be told that the analysis was given up')
      const isYoung = notice !== undefined && Date.now() - notice.at < sharedCauseLimit * 1000
      if (isYoung && isSharedCause(toError(error))) return claim.giveBack()
    }
    await claim.remove()
  }

  async #inform({ crits, line, isError }: Notice, signal: AbortSignal): Promise<void> {
    const client: CritsClient = this.#options.servers.forMessage(crits.critsUrl).client(crits)
    await client.patiently(signal, () => client.log('error', line, signal))
    if (isError) await client.patiently(signal, () => client.finish('error', signal))
  }
}

function decodeNotice(bytes: Buffer): Notice {
  const notice = parseJson(bytes)
  if (!isNotice(notice)) throw new InvalidMessageError('notice', 'is damaged')
  return notice
}
