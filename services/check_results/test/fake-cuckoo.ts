// A Cuckoo without a network, whose tasks a test sets.
import type { CuckooStatus, ListOptions, Phase, TaskSummary } from '@cuckoo-distributed/sandbox-client'

export function at(time: number): string {
  return new Date(time).toISOString().slice(0, 19).replace('T', ' ')
}

export class FakeCuckoo {
  readonly baseUrl = 'http://cuckoo.example'
  readonly intervalMs = 0
  readonly tasks = new Map<number, TaskSummary>()
  readonly requests: { readonly kind: string; readonly at: number }[] = []
  open = 0
  mostOpen = 0
  /** Of every request. */
  error: unknown
  statusError: unknown
  listError: unknown
  viewError: unknown
  listsAreEmpty = false
  tasksKnown = true

  set(id: number, phase: Phase, change: Partial<TaskSummary> = {}): void {
    const completedOn = phase === 'reported' ? at(Date.now()) : undefined
    const task = { id, phase, status: phase, custom: '', completedOn, tags: [], errors: [] }
    this.tasks.set(id, { ...task, md5: undefined, sha256: undefined, ...change })
  }

  listTasks({ phase, completedAfter = 0 }: ListOptions): Promise<TaskSummary[]> {
    return this.#answer(`list ${phase}`, () => {
      if (this.listError !== undefined) throw this.listError
      const all = this.listsAreEmpty ? [] : [...this.tasks.values()]
      return all.filter(
        task =>
          task.phase === (phase === 'ended' ? 'reported' : phase) &&
          (task.completedOn ?? '9') > at(completedAfter * 1000),
      )
    })
  }

  viewTask(id: number): Promise<TaskSummary | undefined> {
    return this.#answer(`view ${id}`, () => {
      if (this.viewError !== undefined) throw this.viewError
      return this.tasks.get(id)
    })
  }

  status(): Promise<CuckooStatus> {
    return this.#answer('status', () => {
      if (this.statusError !== undefined) throw this.statusError
      const count = (phase: Phase) => [...this.tasks.values()].filter(task => task.phase === phase).length
      const [pending, running, completed, reported] = [count('pending'), count('running'), count('processing'), 0]
      const { tasksKnown } = this
      return { version: '1.2', pending, running, completed, reported, total: 1, tasksKnown, freeBytes: undefined }
    })
  }

  async #answer<T>(kind: string, make: () => T): Promise<T> {
    this.requests.push({ kind, at: Date.now() })
    this.open += 1
    this.mostOpen = Math.max(this.mostOpen, this.open)
    await new Promise(resolve => setImmediate(resolve))
    this.open -= 1
    if (this.error !== undefined) throw this.error
    return make()
  }
}
