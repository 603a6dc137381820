/** The REST API of CAPE (`kevoreilly/CAPEv2:web/apiv2`), below a base URL such as `http://host:8000/apiv2`. */
import type { HttpResponse } from '@cuckoo-distributed/http'
import {
  type CuckooMachine,
  type CuckooStatus,
  checkedId,
  readMachines,
  record,
  type TaskSummary,
  text,
} from './answers.js'
import {
  failureIn,
  isUnknownTask,
  readCapeStatus,
  readCapeTask,
  readCapeTasks,
  refusalOf,
  statusOf,
} from './cape-answer.js'
import { createCapeTask, createCapeUrlTask, type JunkNames } from './cape-create.js'
import { ANSWER_LIMIT, CapeHttp, type CapeHttpOptions } from './cape-http.js'
import type { CreatedTasks, NewTask, NewUrlTask } from './create-task.js'
import { EndpointOffError, UnexpectedAnswerError } from './errors.js'
import { RECOVERED, wordsOfCape } from './phase.js'
import type { Artifact, Deletion, Download, FileHashes, ListOptions, ReportOptions, SandboxClient } from './sandbox.js'

/** The most rows that a list gives at once (`maxlimit`). */
const PAGE = 50
/** More than any CAPE has tasks that end within the time that is looked at. */
const PAGES_MAX = 200

export interface CapeClientOptions extends CapeHttpOptions {
  /** Default `rename`. */
  readonly junkNames?: JunkNames | undefined
  /** Default `one`. */
  readonly capeDelete?: CapeDelete | undefined
}

/** How tasks are deleted: `one` by one, which an administrator may have switched off, or by `delete_many` where it is, which no switch is for. */
export type CapeDelete = 'one' | 'many'

/** One CAPE. Rejects as `CuckooClient`, and with EndpointOffError, CallRefusedError and WebPageError. */
export class CapeClient implements SandboxClient {
  readonly kind = 'cape'
  readonly baseUrl: string
  readonly intervalMs: number
  readonly #http: CapeHttp
  readonly #junkNames: JunkNames
  readonly #capeDelete: CapeDelete
  #hasLiteReports = true

  constructor({ junkNames = 'rename', capeDelete = 'one', ...options }: CapeClientOptions) {
    this.#http = new CapeHttp(options)
    this.#junkNames = junkNames
    this.#capeDelete = capeDelete
    this.baseUrl = this.#http.baseUrl
    this.intervalMs = this.#http.intervalMs
  }

  /** As it calls itself; empty before its first answer. */
  get version(): string {
    return this.#http.version
  }

  /** Whether what answers is a CAPE: it says so in a header, also where it refuses. Rejects as a request does. */
  async isThere(signal: AbortSignal): Promise<boolean> {
    const expectStatus = [301, 302, 400, 401, 403, 404, 405, 429]
    const response = await this.#http.request({ path: '/cuckoo/status/', signal, expectStatus })
    response.discard()
    // A 404 comes from its web pages, above or beside the API.
    return this.version !== '' && ![301, 302, 404].includes(response.status)
  }

  /** Where the status is switched off, as it is by default: what waits, counted by list. */
  async status(signal: AbortSignal): Promise<CuckooStatus> {
    const path = '/cuckoo/status/'
    try {
      if (!this.#http.isOff(path)) return readCapeStatus(await this.#http.json(path, signal), this.#http.url(path))
    } catch (error: unknown) {
      if (!(error instanceof EndpointOffError)) throw error
      this.#http.setOff(
        path,
        `${error.message}. Until then waiting tasks are counted by list, and free space is not known`,
      )
    }
    return statusOf((await this.listTasks({ phase: 'pending' }, signal)).length, this.version)
  }

  createTask(task: NewTask, signal: AbortSignal): Promise<CreatedTasks> {
    return createCapeTask(request => this.#http.post(request, signal), task, '/tasks/create/file/', this.#junkNames)
  }

  createUrlTask(task: NewUrlTask, signal: AbortSignal): Promise<CreatedTasks> {
    return createCapeUrlTask(request => this.#http.post(request, signal), task, '/tasks/create/url/')
  }

  /** None where the list is switched off, as it is by default. */
  async listMachines(signal: AbortSignal): Promise<CuckooMachine[]> {
    const path = '/machines/list/'
    if (this.#http.isOff(path)) return []
    try {
      return readMachines({ machines: record(await this.#http.json(path, signal)).data }, this.#http.url(path))
    } catch (error: unknown) {
      if (!(error instanceof EndpointOffError)) throw error
      this.#http.setOff(path, `${error.message}. Until then its machines, platforms and tags are not known`)
      return []
    }
  }

  /** Page by page. Rows move between pages while tasks end, so that one may come twice or be missed. */
  async listTasks({ phase, completedAfter }: ListOptions, signal: AbortSignal): Promise<TaskSummary[]> {
    const tasks = new Map<number, TaskSummary>()
    for (const status of this.#statuses(phase)) {
      const query = {
        ...(status !== undefined && { status }),
        // Anything but an integer is answered with 500.
        ...(completedAfter !== undefined && { completed_after: Math.floor(completedAfter) }),
      }
      for (let [page, offset] = [0, 0]; page < PAGES_MAX; page += 1) {
        const path = `/tasks/list/${PAGE}/${offset}/`
        const answer = await this.#http.json(path, signal, { query })
        const rows = readCapeTasks(answer, this.#http.url(path))
        for (const task of rows) tasks.set(task.id, task)
        const { data, config } = record(answer)
        const limit = Number(/^Limit: (\d+)/.exec(text(config) ?? '')?.[1] ?? PAGE)
        if (!Array.isArray(data) || data.length < limit || limit === 0) break
        offset += limit
      }
    }
    return [...tasks.values()]
  }

  /** The task, or the one that goes on in its place; undefined when there is none that the user may see. */
  async viewTask(id: number, signal: AbortSignal): Promise<TaskSummary | undefined> {
    const path = `/tasks/view/${checkedId(id)}/`
    const answer = await this.#http.jsonOrUnknown(path, signal)
    return answer === undefined ? undefined : readCapeTask(record(answer).data, this.#http.url(path))
  }

  /** By SHA-256 where it is known; that of an archive finds the tasks of its members. Lower case only. */
  async searchTasks({ md5, sha256 }: FileHashes, signal: AbortSignal): Promise<TaskSummary[] | undefined> {
    const [kind, hash] = sha256 === undefined ? ['md5', md5] : ['sha256', sha256]
    if (hash === undefined || this.#http.isOff('search')) return undefined
    const path = `/tasks/search/${kind}/${hash.toLowerCase()}/`
    try {
      return readCapeTasks(await this.#http.json(path, signal), this.#http.url(path))
    } catch (error: unknown) {
      if (!(error instanceof EndpointOffError)) throw error
      this.#http.setOff('search', `${error.message}. Until then tasks are looked for in lists`)
      return undefined
    }
  }

  /**
   * The report, or undefined when there is none (yet): nothing here tells in which state the task is, as the same is said of
   * tasks that never run. Without processes it is the light one, if CAPE writes it.
   */
  async report(id: number, signal: AbortSignal, options: ReportOptions = {}): Promise<HttpResponse | undefined> {
    const base = `/tasks/get/report/${checkedId(id)}`
    const wantsLite = options.withoutProcesses === true && this.#hasLiteReports
    const lite = wantsLite ? await this.#http.file(`${base}/litereport/`, signal) : undefined
    if (lite !== undefined && lite !== 'none') return lite
    const whole = await this.#http.file(`${base}/json/`, signal)
    if (whole === undefined || whole === 'none') return undefined
    if (wantsLite) this.#hasLiteReports = false
    return whole
  }

  async reportAs(id: number, format: string, signal: AbortSignal): Promise<HttpResponse | undefined> {
    const file = await this.#http.file(`/tasks/get/report/${checkedId(id)}/${encodeURIComponent(format)}/`, signal)
    return file === 'none' ? undefined : file
  }

  /** A ZIP; that of a report is not encrypted since 2021, the one of its own endpoint is. */
  dropped(id: number, _: unknown, signal: AbortSignal): Promise<Download> {
    return this.#http.file(`/tasks/get/report/${checkedId(id)}/dropped/`, signal)
  }

  artifact(id: number, artifact: Artifact, signal: AbortSignal): Promise<Download> {
    const files = { payloads: 'payloadfiles', procdump: 'procdumpfiles', screenshots: 'screenshot' }
    const names: Record<Artifact, string> = { pcap: 'pcap', fullmemory: 'fullmemory', ...files }
    return this.#http.file(`/tasks/get/${names[artifact]}/${checkedId(id)}/`, signal)
  }

  /** A ZIP with AES of all; CAPE gives single ones only to who knows their pids. */
  memoryDumps(id: number, signal: AbortSignal): Promise<Download> {
    return this.#http.file(`/tasks/get/procmemory/${checkedId(id)}/`, signal)
  }

  /**
   * As `CuckooClient.deleteTask`, but `off` where deletion is switched off, as it is by default. That is respected: `delete_many`, which
   * is on all the same, gets round it only where somebody has said so.
   */
  async deleteTask(id: number, signal: AbortSignal): Promise<Deletion> {
    const isMany = this.#capeDelete === 'many'
    const path = `/tasks/delete/${checkedId(id)}/`
    try {
      if (this.#http.isOff('delete')) return isMany ? await this.#deleteMany(id, signal) : 'off'
      if (await this.#isDeleted(path, signal)) return 'deleted'
      const task = await this.viewTask(id, signal)
      if (task === undefined) return 'gone'
      // The status of another one, which goes on in its place.
      const status = task.id === id ? task.status : RECOVERED
      if (task.phase === 'running' && task.id === id) return 'busy'
      // Only a task that is reported is deleted without its status.
      return (await this.#isDeleted(`${path}${encodeURIComponent(status)}/`, signal)) ? 'deleted' : 'busy'
    } catch (error: unknown) {
      if (!(error instanceof EndpointOffError)) throw error
      const until = isMany ? 'tasks are deleted by delete_many (CapeDelete)' : 'no task is deleted'
      this.#http.setOff('delete', `${error.message}, or make the user of the token staff. Until then ${until}`)
      return isMany ? this.#deleteMany(id, signal) : 'off'
    }
  }

  /** It deletes all but running tasks; before 2.5 it told only of what it did not delete. */
  async #deleteMany(id: number, signal: AbortSignal): Promise<Deletion> {
    const path = '/tasks/delete_many/'
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const answer = await this.#http.post({ path, headers, body: Buffer.from(`ids=${id}`), signal }, signal)
    const said = failureIn(answer)
    if (said !== undefined) throw refusalOf(this.#http.url(path), path, said)
    const { [String(id)]: word = 'deleted', status } = record(answer)
    if (status === undefined) throw new UnexpectedAnswerError(this.#http.url(path), 'status', 'there')
    if (word === 'not exists') return 'gone'
    return word === 'deleted' || word === 'deleted_orphan_report' ? 'deleted' : 'busy'
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#http[Symbol.asyncDispose]()
  }

  async #isDeleted(path: string, signal: AbortSignal): Promise<boolean> {
    const response = await this.#http.request({ path, signal, expectStatus: [404] })
    const answer = await response.json(ANSWER_LIMIT)
    const said = failureIn(answer)
    if (said !== undefined && record(answer).failed === undefined && !isUnknownTask(said)) {
      throw refusalOf(this.#http.url(path), path, said)
    }
    return said === undefined && response.status !== 404
  }

  #statuses(phase: ListOptions['phase']): readonly (string | undefined)[] {
    if (phase === undefined) return [undefined]
    const words = wordsOfCape(phase)
    // `a|b` is understood since 2.4; before that it was one word that no task has.
    const isOld = /^([01]\.|2\.[0-3](\D|$))/.test(this.version)
    return isOld ? words.filter(word => phase !== 'ended' || word === 'reported') : [words.join('|')]
  }
}
