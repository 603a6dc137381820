/** A sandbox of which nobody has said what it is. */
import { type HttpResponse, NotJsonError, StatusError } from '@cuckoo-distributed/http'
import { SharedWork } from '@cuckoo-distributed/wait'
import type { CuckooMachine, CuckooStatus, TaskSummary } from './answers.js'
import type { CapeClient } from './cape-client.js'
import type { CuckooClient } from './client.js'
import type { CreatedTasks, NewTask, NewUrlTask } from './create-task.js'
import { TokenRefusedError, UndecidedSandboxError, UnexpectedAnswerError } from './errors.js'
import type {
  Artifact,
  Deletion,
  Download,
  FileHashes,
  ListOptions,
  MemoryDump,
  ReportOptions,
  SandboxClient,
  SandboxKind,
} from './sandbox.js'

/**
 * Asks for the status as of a Cuckoo, and if that does not tell, once more as of a CAPE. What is found stays so for as long as the
 * process lives. While it is undecided every call rejects with UndecidedSandboxError, or with what keeps it from being found.
 */
export class DetectingClient implements SandboxClient {
  readonly baseUrl: string
  readonly #cuckoo: CuckooClient
  readonly #cape: CapeClient
  readonly #onKind: ((baseUrl: string, kind: SandboxKind, version: string) => void) | undefined
  readonly #looking = new SharedWork(signal => this.#look(signal))
  #found: CuckooClient | CapeClient | undefined

  constructor(
    cuckoo: CuckooClient,
    cape: CapeClient,
    onKind?: (baseUrl: string, kind: SandboxKind, version: string) => void,
  ) {
    this.baseUrl = cuckoo.baseUrl
    this.#cuckoo = cuckoo
    this.#cape = cape
    this.#onKind = onKind
  }

  get kind(): SandboxKind | undefined {
    return this.#found?.kind
  }

  get intervalMs(): number {
    return this.#found?.intervalMs ?? 0
  }

  /** The first status that tells what it is serves as the answer. */
  async status(signal: AbortSignal): Promise<CuckooStatus> {
    if (this.#found !== undefined) return this.#found.status(signal)
    const seen = await this.#status(signal)
    return seen ?? (await this.#client(signal)).status(signal)
  }

  async listTasks(options: ListOptions, signal: AbortSignal): Promise<TaskSummary[]> {
    return (await this.#client(signal)).listTasks(options, signal)
  }

  async viewTask(id: number, signal: AbortSignal): Promise<TaskSummary | undefined> {
    return (await this.#client(signal)).viewTask(id, signal)
  }

  async searchTasks(file: FileHashes, signal: AbortSignal): Promise<TaskSummary[] | undefined> {
    const client: SandboxClient = await this.#client(signal)
    return client.searchTasks?.(file, signal)
  }

  async createTask(task: NewTask, signal: AbortSignal): Promise<CreatedTasks> {
    return (await this.#client(signal)).createTask(task, signal)
  }

  async createUrlTask(task: NewUrlTask, signal: AbortSignal): Promise<CreatedTasks> {
    return (await this.#client(signal)).createUrlTask(task, signal)
  }

  async listMachines(signal: AbortSignal): Promise<CuckooMachine[]> {
    return (await this.#client(signal)).listMachines(signal)
  }

  async report(id: number, signal: AbortSignal, options?: ReportOptions): Promise<HttpResponse | undefined> {
    const client: SandboxClient = await this.#client(signal)
    return client.report(id, signal, options)
  }

  async reportAs(id: number, format: string, signal: AbortSignal): Promise<HttpResponse | undefined> {
    return (await this.#client(signal)).reportAs(id, format, signal)
  }

  async dropped(id: number, options: { readonly compression?: 'gz' }, signal: AbortSignal): Promise<Download> {
    return (await this.#client(signal)).dropped(id, options, signal)
  }

  async artifact(id: number, artifact: Artifact, signal: AbortSignal): Promise<Download> {
    return (await this.#client(signal)).artifact(id, artifact, signal)
  }

  async memoryDumps(id: number, signal: AbortSignal): Promise<Download | readonly MemoryDump[]> {
    return (await this.#client(signal)).memoryDumps(id, signal)
  }

  async deleteTask(id: number, signal: AbortSignal): Promise<Deletion> {
    return (await this.#client(signal)).deleteTask(id, signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#cuckoo[Symbol.asyncDispose](), this.#cape[Symbol.asyncDispose]()])
  }

  async #client(signal: AbortSignal): Promise<CuckooClient | CapeClient> {
    while (this.#found === undefined) await this.#looking.join(signal)
    return this.#found
  }

  async #look(signal: AbortSignal): Promise<void> {
    await this.#status(signal)
  }

  /** The status, if that is how it was found to be a Cuckoo. */
  async #status(signal: AbortSignal): Promise<CuckooStatus | undefined> {
    try {
      const status = await this.#cuckoo.status(signal)
      this.#decide(this.#cuckoo, status.version)
      return status
    } catch (error: unknown) {
      if (!mayBeAnother(error)) throw error
      if (!(await this.#cape.isThere(signal))) {
        throw error instanceof TokenRefusedError ? error : new UndecidedSandboxError(this.baseUrl, error)
      }
      this.#decide(this.#cape, this.#cape.version)
      return undefined
    }
  }

  #decide(client: CuckooClient | CapeClient, version: string): void {
    if (this.#found !== undefined) return
    this.#found = client
    this.#onKind?.(this.baseUrl, client.kind, version)
  }
}

/** An answer, but not that of a Cuckoo: a redirect to a path with a slash, a web page, JSON of another API. */
export function mayBeAnother(error: unknown): boolean {
  if (error instanceof UnexpectedAnswerError || error instanceof NotJsonError) return true
  return error instanceof StatusError && error.status >= 300 && error.status < 500 && error.status !== 429
}
