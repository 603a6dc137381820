// One message: its sample becomes one task in Cuckoo, whatever is interrupted, lost or repeated on the way.
import {
  type CritsData,
  encodeTask,
  forward,
  later,
  laterWithSpace,
  type Outcome,
  PermanentError,
  type StageContext,
} from '@cuckoo-distributed/core'
import type { CritsServers } from '@cuckoo-distributed/crits-client'
import { faultOf } from '@cuckoo-distributed/http'
import {
  type CuckooServer,
  type TaskMark,
  TaskRefusedError,
  UnknownOutcomeError,
} from '@cuckoo-distributed/sandbox-client'
import { StagingError } from '@cuckoo-distributed/staging'
import { storeSample } from './crits-sample.js'
import type { Room } from './room.js'
import { type Sample, SampleOnDemand } from './sample.js'
import type { Submission } from './submission.js'

export interface FeederOptions {
  readonly producerQueue: string
  readonly cuckoo: CuckooServer
  readonly room: Room
  readonly crits: CritsServers
  /** Bytes. */
  readonly maxSampleSize: number
  readonly tmpDir: string
}

/** Uploads of one delivery that fail while Cuckoo is well, before the message has failed. */
const TRIES = 2

export class Feeder {
  readonly #options: FeederOptions

  constructor(options: FeederOptions) {
    this.#options = options
  }

  async handle(submission: Submission, context: StageContext): Promise<Outcome> {
    const { producerQueue, cuckoo } = this.#options
    const { crits } = submission
    const critsUrl = this.#options.crits.urlToPassOn(crits.critsUrl)
    await using sample = new SampleOnDemand(() => this.#sample(submission, context))
    try {
      const taskId = await this.#task(submission, sample, context)
      if (taskId === undefined) return later()
      return forward(
        producerQueue,
        encodeTask({ taskId, cuckooUrl: cuckoo.client.baseUrl, crits: { ...crits, critsUrl } }),
      )
    } catch (error: unknown) {
      if (error instanceof StagingError && error.code === 'no-space') return laterWithSpace(context)
      throw error
    }
  }

  async #sample({ sample: inMessage, crits }: Submission, context: StageContext): Promise<Sample> {
    const sample = await (inMessage?.() ?? this.#fromCrits(crits, context))
    try {
      if (crits.md5 !== '') await checkMd5(sample, crits.md5)
      return sample
    } catch (error: unknown) {
      await sample[Symbol.asyncDispose]()
      throw error
    }
  }

  async #fromCrits(crits: CritsData, { waiting, log }: StageContext): Promise<Sample> {
    const { maxSampleSize, tmpDir } = this.#options
    const server = this.#options.crits.forMessage(crits.critsUrl)
    const sample = await server.availability.patiently(waiting, signal =>
      storeSample(server.client(crits).readSample(maxSampleSize, signal), tmpDir),
    )
    log.debug({ size: sample.size }, 'sample read from CRITs')
    return sample
  }

  /** The id of the message's task, new or found; undefined when there is no room for a new one. */
  async #task(submission: Submission, sample: SampleOnDemand, context: StageContext): Promise<number | undefined> {
    const { cuckoo, room } = this.#options
    const { delivery, waiting, working } = context
    const { custom, crits } = submission
    const md5 = async () => crits.md5 || (await sample.get()).md5()
    const find = async (after: number) => this.#find({ custom, md5: await md5() }, after, context)
    // What is in the message is checked at once. What is in CRITs is read when there is room, which is not kept for a CRITs
    // that is away.
    if (submission.sample) await sample.get()
    else await this.#options.crits.forMessage(crits.critsUrl).availability.whenUp(waiting)
    /** When all that may have made the task was over: its delivery to someone else, the last upload. */
    let doubtedAt = delivery.mayBeRepeat || context.headers.attempts > 0 ? performance.now() : undefined
    for (let failed = 0; ; ) {
      const found = doubtedAt === undefined ? undefined : await find(doubtedAt)
      if (found !== undefined) return found
      const place = await room.enter(waiting)
      if (place === undefined) return undefined
      try {
        return await this.#upload(submission, await sample.get(), context)
      } catch (error: unknown) {
        working.throwIfAborted()
        const endedAt = performance.now()
        place.leave()
        room.expire()
        const isAway = await cuckoo.availability.isAway(error, waiting)
        if (!isAway) failed += 1
        if (faultOf(error) === 'own' || failed >= TRIES) return await findOrThrow(() => find(endedAt), error)
        if (error instanceof UnknownOutcomeError) doubtedAt = endedAt
      } finally {
        place.leave()
      }
    }
  }

  async #upload(submission: Submission, sample: Sample, context: StageContext): Promise<number> {
    const { client, availability } = this.#options.cuckoo
    const task = {
      name: submission.fileName.trim() === '' ? await sample.md5() : submission.fileName,
      size: sample.size,
      open: () => sample.open(),
      options: { ...submission.options, custom: submission.custom },
      onBegun: () => context.markBegun(),
    }
    const taskId = await client.createTask(task, context.working)
    availability.reportUp()
    context.log.info({ taskId, size: sample.size }, 'submitted to Cuckoo')
    return taskId
  }

  async #find(mark: TaskMark, after: number, { log, waiting }: StageContext): Promise<number | undefined> {
    const task = await this.#options.cuckoo.marks.find(mark, { after, signal: waiting })
    if (task !== undefined) log.info({ taskId: task.id }, 'an earlier attempt has submitted the sample already')
    return task?.id
  }
}

/** For an upload that is not tried again: whatever Cuckoo answered, it may have made the task. */
async function findOrThrow(find: () => Promise<number | undefined>, error: unknown): Promise<number> {
  const mayExist = error instanceof UnknownOutcomeError || error instanceof TaskRefusedError
  const found = mayExist ? await find() : undefined
  if (found === undefined) throw error
  return found
}

async function checkMd5(sample: Sample, expected: string): Promise<void> {
  const md5 = await sample.md5()
  if (md5 === expected) return
  throw new PermanentError('SAMPLE_MD5', `the sample has the MD5 ${md5}, but crits_data.md5 is ${expected}`)
}
