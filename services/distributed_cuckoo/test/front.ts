/** The built service as a process that can be killed and started again on the same port, and its API. */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type ServiceProcess, spawnService, waitFor } from '@cuckoo-distributed/testing'

export interface ShownTask {
  readonly id: number
  readonly status: string
  readonly custom: string | null
  readonly error: string | null
  readonly node: string | null
}

export class Front {
  readonly folder: string
  readonly #t: TestContext
  readonly #config
  #port = 0
  #process: ServiceProcess | undefined

  /** @internal Use `makeFront`. */
  constructor(t: TestContext, folder: string, config: Readonly<Record<string, unknown>>) {
    this.folder = folder
    this.#t = t
    this.#config = {
      Database: `sqlite:///${join(folder, 'dist.db')}`,
      SamplesDirectory: join(folder, 'samples'),
      ReportsDirectory: join(folder, 'reports'),
      ReportFormats: ['json'],
      Interval: 0.2,
      MinFreeSpace: 0,
      ...config,
    }
  }

  /** Known once it was started. */
  get url(): string {
    assert(this.#port > 0, 'the server was not started')
    return `http://127.0.0.1:${this.#port}`
  }

  /** The keys of the directories, for another server that shares them. */
  get directories() {
    const { SamplesDirectory, ReportsDirectory } = this.#config
    return { SamplesDirectory, ReportsDirectory }
  }

  /** The process that runs now. */
  get process(): ServiceProcess {
    assert(this.#process, 'the server was not started')
    return this.#process
  }

  /** On a free port the first time, and on the same one again. */
  async start(): Promise<void> {
    const config = { ...this.#config, Port: this.#port }
    this.#process = await spawnService(this.#t, 'distributed_cuckoo', { config })
    const { port } = await this.#process.waitForLog('listening')
    this.#port = Number(port)
  }

  /** Ends it with SIGKILL. */
  async kill(): Promise<void> {
    await this.process.kill()
  }

  async addNode(name: string, url: string): Promise<void> {
    await this.request('/node', { method: 'POST', body: new URLSearchParams({ name, url }) })
  }

  /** Submits a sample and resolves with the task's id. Rejects when there is no answer. */
  async submit(content: string, fields: Readonly<Record<string, string>> = {}): Promise<number> {
    const form = new FormData()
    for (const [name, value] of Object.entries(fields)) form.append(name, value)
    form.append('file', new Blob([content]), 'sample.exe')
    const answer = await this.request('/task', { method: 'POST', body: form })
    assert(typeof answer === 'object' && answer !== null && 'task_id' in answer && typeof answer.task_id === 'number')
    return answer.task_id
  }

  /** Tasks with these parameters, e.g. `finished=1`. */
  async tasks(query = ''): Promise<ShownTask[]> {
    const answer = await this.request(`/task?${query}`)
    assert(typeof answer === 'object' && answer !== null && 'tasks' in answer)
    return Object.values<ShownTask>({ ...(answer.tasks as Record<string, ShownTask>) })
  }

  async reaches(id: number, status: string, deadlineMs?: number): Promise<void> {
    let last: ShownTask | undefined
    await waitFor(
      async () => {
        last = (await this.tasks()).find(task => task.id === id)
        return last?.status === status
      },
      { deadlineMs, describe: () => `task ${id} to be ${status}; it is ${JSON.stringify(last)}` },
    )
  }

  /** The stored JSON report, as a file. */
  async storedReport(id: number): Promise<{ readonly target: { readonly file: { readonly sha256: string } } }> {
    return JSON.parse(await readFile(join(this.folder, 'reports', String(id), 'report.json'), 'utf8'))
  }

  async request(path: string, init: RequestInit = {}): Promise<unknown> {
    const response = await fetch(this.url + path, { ...init, headers: { connection: 'close' } })
    const text = await response.text()
    assert.equal(response.status, 200, `${path}: ${text}`)
    return JSON.parse(text)
  }
}

/** A server of its own, not started yet, whose data is removed at the end of the test. */
export async function makeFront(t: TestContext, config: Readonly<Record<string, unknown>> = {}): Promise<Front> {
  const folder = await mkdtemp(join(tmpdir(), 'front-'))
  t.after(() => rm(folder, { recursive: true, maxRetries: 10 }))
  return new Front(t, folder, config)
}
