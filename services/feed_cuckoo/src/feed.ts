// One message: its sample becomes one task in Cuckoo, whatever is interrupted, lost or repeated on the way.
import {
  asNumbers,
  type Bulkhead,
  type CritsData,
  describeError,
  encodeTask,
  forward,
  later,
  laterWithSpace,
  type Note,
  type Outcome,
  PermanentError,
  type StageContext,
  WAITS,
  waitForServer,
  waitingFor,
} from '@cuckoo-distributed/core'
import { type CritsServers, readSample } from '@cuckoo-distributed/crits-client'
import { faultOf, ServerAwayError } from '@cuckoo-distributed/http'
import {
  type CreatedTasks,
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
import type { Teller } from './teller.js'

export interface FeederOptions {
  readonly producerQueue: string
  readonly cuckoo: CuckooServer
  readonly room: Room
  readonly crits: CritsServers
  readonly teller: Teller
  readonly bulkhead: Bulkhead
  /** Bytes. */
  readonly maxSampleSize: number
  readonly tmpDir: string
}

/** Uploads of one delivery that fail while Cuckoo is well, before the message has failed. */
const TRIES = 2

/** When CRITs was told that the message is here; milliseconds since 1970. */
const TOLD: Note<{ toldAt?: number }> = { header: 'x-since', read: asNumbers }

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
      const created = await this.#taskPatiently(submission, sample, context)
      if (created === undefined) return later()
      const { id: taskId, others } = created
      const { baseUrl: cuckooUrl, kind: sandbox } = cuckoo.client
      context.describe({ taskId, cuckoo: cuckooUrl })
      await this.#tellSubmitted(submission, created, context)
      const task = { taskId, others, cuckooUrl, sandbox, crits: { ...crits, critsUrl } }
      return forward(producerQueue, encodeTask(task), { told: { event: 'submitted' } })
    } catch (error: unknown) {
      if (error instanceof StagingError && error.code === 'no-space') return laterWithSpace(context)
      throw error
    }
  }

  /** Once for each message that CRITs has a place for: it also finds a refused key before Cuckoo's time is spent. */
  async #tellReceived(submission: Submission, context: StageContext): Promise<void> {
    const { notes } = context.headers
    const known = notes.get(TOLD) ?? {}
    if (known.toldAt !== undefined) return
    if (await this.#tell(submission, 'received by feed_cuckoo', context.waiting))
      notes.set(TOLD, { toldAt: Date.now() })
  }

  async #tellSubmitted(submission: Submission, created: CreatedTasks, { working, log }: StageContext): Promise<void> {
    const { id, others, remarks } = created
    for (const remark of remarks) log.warn({ taskId: id, remark }, 'Cuckoo has taken the sample, with a remark')
    const tasks = others.length === 0 ? `task ${id}` : `tasks ${[id, ...others].join(', ')}`
    try {
      await this.#tell(submission, [`submitted as Cuckoo ${tasks}`, ...remarks].join('; '), working)
    } catch (error: unknown) {
      log.debug({ cause: describeError(error) }, 'CRITs could not be told of the task') // which exists, so it must be passed on
    }
  }

  async #tell({ crits }: Submission, text: string, signal: AbortSignal): Promise<boolean> {
    const servers = this.#options.crits
    if (servers.urlToPassOn(crits.critsUrl) === '') return false
    return this.#options.teller.tell(servers.forMessage(crits.critsUrl), crits, text, signal)
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
    const sample = await server
      .client(crits)
      .attempt(waiting, signal =>
        storeSample(readSample(server, crits, { maxBytes: maxSampleSize, tmpDir, signal }), tmpDir),
      )
    log.debug({ size: sample.size }, 'sample read from CRITs')
    return sample
  }

  /** The message's task, new or found; undefined when the message is to make room for others. */
  async #taskPatiently(submission: Submission, sample: SampleOnDemand, context: StageContext) {
    const { crits, bulkhead } = this.#options
    for (;;) {
      // Read when there is room in Cuckoo, which is not kept for a CRITs that is away.
      const source = submission.sample ? undefined : crits.forMessage(submission.crits.critsUrl).availability
      if (source && !(await waitingFor(waitForServer('CRITs'), context, bulkhead.ready(source, context.waiting))))
        return undefined
      try {
        return await this.#task(submission, sample, context)
      } catch (error: unknown) {
        if (!(error instanceof ServerAwayError)) throw error
      }
    }
  }

  /** As `#taskPatiently`, but rejects with ServerAwayError when CRITs is away and has the sample. */
  async #task(
    submission: Submission,
    sample: SampleOnDemand,
    context: StageContext,
  ): Promise<CreatedTasks | undefined> {
    const { cuckoo, room } = this.#options
    const { delivery, waiting, working, headers } = context
    const { custom, crits } = submission
    const md5 = async () => crits.md5 || (await sample.get()).md5()
    const shared = custom !== crits.analysisId
    const find = async (after: number) => this.#find({ custom, md5: await md5(), shared }, after, context)
    // What is in the message is checked at once.
    if (submission.sample) await sample.get()
    /** When all that may have made the task was over: its delivery to someone else, the last upload. */
    let doubtedAt = delivery.mayBeRepeat || headers.attempts > 0 ? performance.now() : undefined
    for (let failed = 0; ; ) {
      const found = doubtedAt === undefined ? undefined : await find(doubtedAt)
      if (found !== undefined) return found
      await this.#tellReceived(submission, context)
      const place = await waitingFor(WAITS.room, context, room.enter(waiting))
      if (place === undefined) return undefined
      try {
        return await this.#upload(submission, await sample.get(), context)
      } catch (error: unknown) {
        if (error instanceof ServerAwayError) throw error
        working.throwIfAborted()
        const endedAt = performance.now()
        place.leave()
        room.expire()
        const isAway = await waitingFor(waitForServer('Cuckoo'), context, cuckoo.availability.isAway(error, waiting))
        if (!isAway) failed += 1
        if (faultOf(error) === 'own' || failed >= TRIES) return await findOrThrow(() => find(endedAt), error)
        if (error instanceof UnknownOutcomeError) doubtedAt = endedAt
      } finally {
        place.leave()
      }
    }
  }

  async #upload(submission: Submission, sample: Sample, context: StageContext): Promise<CreatedTasks> {
    const { client, availability } = this.#options.cuckoo
    const task = {
      name: submission.fileName.trim() === '' ? await sample.md5() : submission.fileName,
      size: sample.size,
      open: () => sample.open(),
      options: { ...submission.options, custom: submission.custom },
      onBegun: () => context.markBegun(),
    }
    const created = await client.createTask(task, context.working)
    availability.reportUp()
    context.log.info({ taskId: created.id, size: sample.size }, 'submitted to Cuckoo')
    return created
  }

  async #find(mark: TaskMark, after: number, { log, waiting }: StageContext): Promise<CreatedTasks | undefined> {
    const tasks = await this.#options.cuckoo.marks.findUpload(mark, { after, signal: waiting })
    const [id, ...others] = tasks.map(task => task.id)
    if (id === undefined) return undefined
    log.info({ taskId: id, others }, 'an earlier attempt already submitted the sample')
    return { id, others, remarks: [] }
  }
}

/** For an upload that is not tried again: whatever Cuckoo answered, it may have made the task. */
async function findOrThrow(find: () => Promise<CreatedTasks | undefined>, error: unknown): Promise<CreatedTasks> {
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
