import { RequestError, type Session } from '@cuckoo-distributed/page/browser'
import type { Rescheduled, Status, Task, WholeTask } from './api.js'

/** Failed tasks that are listed. */
const MOST_FAILED = 50

/** What the page knows of the cluster, and what can be done with it. Nothing of it rejects: what goes wrong is in `problem`. */
export class Cluster {
  status: Status | undefined
  /** The newest failed tasks, newest first. */
  failed: readonly Task[] = []
  /** The one that the user looks at. */
  task: WholeTask | undefined
  /** What went wrong with the last thing that was asked for; empty = nothing. */
  problem = ''
  /** What the last thing that was done has come to. */
  told = ''
  isBusy = false
  #listedFor: number | undefined
  readonly #session: Session
  readonly #changed: () => void

  /** `changed` is called when something here has. */
  constructor(session: Session, changed: () => void) {
    this.#session = session
    this.#changed = changed
  }

  /** Reads the status, and what it says has changed. */
  async load(): Promise<void> {
    try {
      this.status = await this.#read<Status>('status')
      await this.#listFailed(this.status.tasks.failed)
      this.#changed()
    } catch (error: unknown) {
      this.#note(error)
    }
  }

  /** Has a node get no new tasks, or get some again. */
  setEnabled(name: string, isEnabled: boolean): Promise<void> {
    const told = isEnabled ? `${name} gets tasks again.` : `${name} gets no new tasks.`
    return this.#do(async () => {
      await this.#send('PUT', `node/${encodeURIComponent(name)}`, { enabled: isEnabled ? '1' : '0' })
      return told
    })
  }

  readMachines(name: string): Promise<void> {
    return this.#do(async () => {
      const answer = await this.#send('POST', `node/${encodeURIComponent(name)}/refresh`)
      const { machines } = (await answer.json()) as { readonly machines: readonly unknown[] }
      return `${name} has ${machines.length} machine${machines.length === 1 ? '' : 's'}.`
    })
  }

  tryAgain(id: number): Promise<void> {
    return this.#do(async () => {
      await this.#send('POST', `task/${id}/reschedule`)
      if (this.task?.id === id) this.task = await this.#taskOf(id)
      return `Task ${id} will be retried.`
    })
  }

  tryAllAgain(): Promise<void> {
    return this.#do(async () => {
      const { tasks, refused } = (await (await this.#send('POST', 'task/reschedule')).json()) as Rescheduled
      const reasons = new Map<string, number>()
      for (const reason of Object.values(refused)) reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
      const others = [...reasons].map(([reason, count]) => ` ${count} stay as they are: ${reason}.`)
      return `${tasks.length} failed task${tasks.length === 1 ? '' : 's'} will be retried.${others.join('')}`
    })
  }

  async lookAt(id: number): Promise<void> {
    await this.#do(async () => {
      this.task = undefined
      this.task = await this.#taskOf(id)
      return ''
    })
  }

  /** Saves the JSON report of a task; a link could not send the token. */
  saveReport(id: number): Promise<void> {
    return this.#do(async () => {
      const url = URL.createObjectURL(await (await this.#session.request(`report/${id}`)).blob())
      const link = document.createElement('a')
      link.href = url
      link.download = `report-${id}.json`
      link.click()
      URL.revokeObjectURL(url)
      return ''
    })
  }

  /** One thing at a time: what is asked for meanwhile is left. */
  async #do(work: () => Promise<string>): Promise<void> {
    if (this.isBusy) return
    this.problem = this.told = ''
    this.isBusy = true
    this.#changed()
    try {
      this.told = await work()
    } catch (error: unknown) {
      this.#note(error)
    }
    this.isBusy = false
    this.#listedFor = undefined
    await this.load()
  }

  async #listFailed(count: number): Promise<void> {
    if (this.#listedFor === count) return
    const query = new URLSearchParams({
      status: 'failed',
      offset: String(Math.max(0, count - MOST_FAILED)),
      limit: String(MOST_FAILED),
    })
    const { tasks } = await this.#read<{ readonly tasks: Readonly<Record<string, Task>> }>(`task?${query}`)
    this.failed = Object.values(tasks).sort((a, b) => b.id - a.id)
    this.#listedFor = count
  }

  async #taskOf(id: number): Promise<WholeTask | undefined> {
    const { tasks } = await this.#read<{ readonly tasks: Readonly<Record<string, WholeTask>> }>(`task/${id}`)
    return tasks[String(id)]
  }

  /** The answers of our own server are what its version of this page takes them for. */
  async #read<T>(path: string): Promise<T> {
    return (await (await this.#session.request(path)).json()) as T
  }

  #send(method: string, path: string, fields: Readonly<Record<string, string>> = {}): Promise<Response> {
    return this.#session.request(path, { method, body: new URLSearchParams(fields) })
  }

  #note(error: unknown): void {
    // The header tells of a server that is away, or wants another token.
    if (!(error instanceof RequestError)) this.problem = String(error)
    else if (error.status !== 0 && error.status !== 401) this.problem = error.message
    this.#changed()
  }
}
