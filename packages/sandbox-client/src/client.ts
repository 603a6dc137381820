/** The REST API of Cuckoo 1.2, 1.3 and 2.0. */
import {
  HttpClient,
  type HttpClientOptions,
  type HttpResponse,
  type RequestOptions,
  StatusError,
} from '@cuckoo-distributed/http'
import {
  type CuckooMachine,
  type CuckooStatus,
  checkedId,
  readableTask,
  readMachines,
  readStatus,
  readTask,
  record,
  type TaskSummary,
} from './answers.js'
import { cascadesTags } from './cascade.js'
import { type CreatedTasks, createTask, createUrlTask, type NewTask, type NewUrlTask } from './create-task.js'
import { TokenRefusedError, UnexpectedAnswerError } from './errors.js'
import { artifactPath, memoryDumps } from './memory-dumps.js'
import { wordsOf } from './phase.js'
import type { Artifact, Deletion, ListOptions, MemoryDump, SandboxClient } from './sandbox.js'

const ANSWER_LIMIT = 16 * 2 ** 20
const MACHINES_LIMIT = 2 ** 20
const LIST_LIMIT = 256 * 2 ** 20
/**
 * For lists, as Cuckoo makes a query for each task in them, and for downloads: an archive is compressed as a whole before its first
 * byte is sent (`cuckoosandbox/cuckoo:utils/api.py`).
 */
const SLOW_ANSWER_MS = 5 * 60_000

/** User info in the base URL is sent as HTTP Basic credentials. */
export interface CuckooClientOptions
  extends Pick<HttpClientOptions, 'baseUrl' | 'verifySsl' | 'connectTimeoutMs' | 'isAllowed'> {
  /** Connections open at a time; further requests wait. */
  readonly maxConnections: number
  /** Sent as `Authorization: Bearer <apiToken>`; Cuckoo 2.0.7 may demand it (`cuckoosandbox/cuckoo:cuckoo/apps/api.py`). */
  readonly apiToken?: string | undefined
  /**
   * From the end of a request to the headers of its answer, but for lists and downloads. Default 5 minutes, as Cuckoo's
   * built-in server is one thread, so that even a status waits for whatever report someone else downloads
   * (`cuckoosandbox/cuckoo:utils/api.py`, run by bottle's wsgiref server or Flask's development server).
   */
  readonly headersTimeoutMs?: number | undefined
}

/**
 * One Cuckoo. All methods reject with the errors of `HttpClient` and `HttpResponse`, with `TokenRefusedError` for status 401
 * and 403, with `UnexpectedAnswerError` when the answer is JSON of another API, and with the signal's own reason.
 */
export class CuckooClient implements SandboxClient {
  readonly kind = 'cuckoo'
  readonly intervalMs = 0
  /** The base URL as it may be shown: without user info. */
  readonly baseUrl: string
  readonly #http: HttpClient

  constructor({ apiToken, ...options }: CuckooClientOptions) {
    this.#http = new HttpClient({
      ...options,
      ...(apiToken !== undefined && { token: { scheme: 'Bearer', value: apiToken } }),
    })
    this.baseUrl = this.#http.baseUrl
  }

  /** The version, the counters of tasks, and free space. Also the cheapest way to see whether Cuckoo answers. */
  async status(signal: AbortSignal): Promise<CuckooStatus> {
    const response = await this.#get('/cuckoo/status', signal)
    return readStatus(await response.json(ANSWER_LIMIT), this.#url('/cuckoo/status'))
  }

  /**
   * Uploads a sample and resolves with its task. Not repeatable: each call that succeeds makes a task.
   *
   * @throws TaskRefusedError when there surely is no task: `task_id: null`, or a status below 500 but 429.
   * @throws UnknownOutcomeError when there may be one: status 500 or above, no readable answer after the body was begun,
   * or an id that is none.
   * @throws StatusError with status 429, NetworkError or TimeoutError when nothing was received; it may be sent again.
   */
  createTask(task: NewTask, signal: AbortSignal): Promise<CreatedTasks> {
    return createTask(this.#http, task, signal)
  }

  /** As `createTask`, for a URL to visit instead of a file. */
  createUrlTask(task: NewUrlTask, signal: AbortSignal): Promise<CreatedTasks> {
    return createUrlTask(this.#http, task, signal)
  }

  /** The machines that analyses run on. */
  async listMachines(signal: AbortSignal): Promise<CuckooMachine[]> {
    const response = await this.#get('/machines/list', signal)
    return readMachines(await response.json(MACHINES_LIMIT), this.#url('/machines/list'))
  }

  /**
   * The tasks of a phase, or all. One that is not listed may still exist: a failing database makes the list empty, with
   * status 200 (`cuckoosandbox/cuckoo:lib/cuckoo/core/database.py`, `list_tasks`), and a row that cannot be read is left
   * out, as it says nothing about the others. Without a limit, since stock 1.2 answers an empty list when it is given one.
   * The answer may have 256 MiB and is parsed task by task.
   */
  async listTasks({ phase, completedAfter }: ListOptions, signal: AbortSignal): Promise<TaskSummary[]> {
    const tasks: TaskSummary[] = []
    for (const word of phase === undefined ? [undefined] : wordsOf(phase)) {
      const query = {
        ...(word !== undefined && { status: word }),
        // Anything but an integer is answered with 500.
        ...(completedAfter !== undefined && { completed_after: Math.floor(completedAfter) }),
      }
      const response = await this.#get('/tasks/list', signal, { query, headersTimeoutMs: SLOW_ANSWER_MS })
      // A row that is not even JSON is left out like one of another shape.
      for await (const row of response.jsonElements('tasks', LIST_LIMIT, { onUnreadable: () => undefined })) {
        const task = readableTask(row, this.#url('/tasks/list'))
        if (task !== undefined) tasks.push(task)
      }
    }
    return tasks
  }

  /** The task, or undefined for 404; Cuckoo answers that for a deleted task, but also when its database fails. */
  async viewTask(id: number, signal: AbortSignal): Promise<TaskSummary | undefined> {
    const path = `/tasks/view/${checkedId(id)}`
    const answer = await this.#getJsonOr404(path, signal)
    return answer === undefined ? undefined : readTask(record(answer).task, this.#url(path))
  }

  /**
   * The JSON report, to be streamed or discarded, or undefined when there is none. Its content type tells nothing: 1.x
   * calls it `text/html`.
   */
  async report(id: number, signal: AbortSignal): Promise<HttpResponse | undefined> {
    return this.#unless404(await this.#download(`/tasks/report/${checkedId(id)}`, signal, { expectStatus: [404] }))
  }

  /** The report in a format such as `html` or `maec`; undefined when there is none (404) or no such format (400). */
  async reportAs(id: number, format: string, signal: AbortSignal): Promise<HttpResponse | undefined> {
    return this.#ifThere(`/tasks/report/${checkedId(id)}/${encodeURIComponent(format)}`, signal)
  }

  /**
   * The archive of dropped files, to be streamed or discarded, or undefined when the task is gone. 1.2 sends tar.bz2
   * whatever `compression` says. Cuckoo answers 500 for a task without a folder, so that the task itself is looked at
   * then: if it still exists, the call rejects with the StatusError.
   */
  async dropped(
    id: number,
    options: { readonly compression?: 'gz' },
    signal: AbortSignal,
  ): Promise<HttpResponse | undefined> {
    const path = `/tasks/report/${checkedId(id)}/dropped`
    const query = options.compression === undefined ? {} : { tar: options.compression }
    try {
      return this.#unless404(await this.#download(path, signal, { query, expectStatus: [404] }))
    } catch (error: unknown) {
      const folderMissing = error instanceof StatusError && error.status === 500
      if (folderMissing && (await this.viewTask(id, signal)) === undefined) return undefined
      throw error
    }
  }

  /**
   * An artifact, or `none` for 404, which Cuckoo answers for a task that is gone as well. Cuckoo itself has neither payloads nor
   * dumps of processes (400); a distributed_cuckoo has them as formats of the report.
   */
  async artifact(id: number, artifact: Artifact, signal: AbortSignal): Promise<HttpResponse | 'none'> {
    return (await this.#ifThere(artifactPath(checkedId(id), artifact), signal)) ?? 'none'
  }

  memoryDumps(id: number, signal: AbortSignal): Promise<'none' | readonly MemoryDump[]> {
    const of = { id: checkedId(id), baseUrl: this.baseUrl }
    return memoryDumps((path, inner) => this.#ifThere(path, inner), of, signal)
  }

  /**
   * Deletes a task and its folder. `gone`: there was no such task. `busy`: it is running and cannot be deleted yet. `kept`:
   * it has tags, and this server would delete every other task and machine with one of them as well: 1.x cascades
   * (`cuckoosandbox/cuckoo:lib/cuckoo/core/database.py`, `delete_task`; mended in August 2015).
   * Rejects with StatusError 500 when Cuckoo could not remove the row or the folder.
   */
  async deleteTask(id: number, signal: AbortSignal): Promise<Deletion> {
    const task = await this.viewTask(id, signal)
    if (task === undefined) return 'gone'
    if (task.tags.length > 0 && cascadesTags(await this.status(signal))) return 'kept'
    const path = `/tasks/delete/${checkedId(id)}`
    try {
      const response = await this.#get(path, signal)
      const { status } = record(await response.json(ANSWER_LIMIT))
      if (status !== 'OK') throw new UnexpectedAnswerError(this.#url(path), 'status', '"OK"')
      return 'deleted'
    } catch (error: unknown) {
      if (!(error instanceof StatusError)) throw error
      if (error.status === 404) return 'gone'
      if (error.status === 500 && error.excerpt.includes('currently being processed')) return 'busy'
      throw error
    }
  }

  /** Ends open requests and closes all connections. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#http[Symbol.asyncDispose]()
  }

  async #get(
    path: string,
    signal: AbortSignal,
    options: Pick<RequestOptions, 'query' | 'expectStatus' | 'headersTimeoutMs'> = {},
  ): Promise<HttpResponse> {
    try {
      return await this.#http.request({ method: 'GET', path, signal, ...options })
    } catch (error: unknown) {
      throw error instanceof StatusError && [401, 403].includes(error.status) ? new TokenRefusedError(error) : error
    }
  }

  #download(path: string, signal: AbortSignal, options: Pick<RequestOptions, 'query' | 'expectStatus'>) {
    return this.#get(path, signal, { ...options, headersTimeoutMs: SLOW_ANSWER_MS })
  }

  async #ifThere(path: string, signal: AbortSignal): Promise<HttpResponse | undefined> {
    const response = await this.#download(path, signal, { expectStatus: [400, 404] })
    if (response.status < 400) return response
    response.discard()
    return undefined
  }

  async #getJsonOr404(path: string, signal: AbortSignal): Promise<unknown> {
    const response = this.#unless404(await this.#get(path, signal, { expectStatus: [404] }))
    return response?.json(ANSWER_LIMIT)
  }

  #unless404(response: HttpResponse): HttpResponse | undefined {
    if (response.status !== 404) return response
    response.discard()
    return undefined
  }

  #url(path: string): string {
    return `${this.baseUrl}${path}`
  }
}
