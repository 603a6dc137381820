import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogger } from '@cuckoo-distributed/core'
import type { CuckooStatus, ListOptions, TaskSummary } from '@cuckoo-distributed/sandbox-client'
import { waitFor } from '@cuckoo-distributed/testing'
import { backOff } from '@cuckoo-distributed/wait'
import { findTask, type TaskMark } from '../src/find-task.js'

const log = createLogger('test', { LogFile: '', LogLevel: 'warning' })
const never = new AbortController().signal
const mark: TaskMark = { custom: 'mine', md5: 'aa' }

function task(id: number, status: string, custom = 'mine', md5 = 'aa'): TaskSummary {
  return { id, status, custom, completedOn: undefined, md5, sha256: undefined, errors: [] }
}

/** A Cuckoo with these tasks; `broken` makes its lists empty, as a locked database does. */
class FakeCuckoo {
  readonly tasks: TaskSummary[]
  readonly lists: ListOptions[] = []
  broken = false
  tasksKnown = true
  looks = 0

  constructor(...tasks: TaskSummary[]) {
    this.tasks = tasks
  }

  async listTasks(options: ListOptions): Promise<TaskSummary[]> {
    this.lists.push(options)
    return this.broken ? [] : this.tasks.filter(({ status }) => status === options.status)
  }

  async status(): Promise<CuckooStatus> {
    this.looks += 1
    const count = (status: string) => this.tasks.filter(task => task.status === status).length
    return {
      version: '1.2',
      pending: count('pending'),
      running: count('running'),
      completed: count('completed'),
      reported: count('reported'),
      total: this.tasks.length,
      tasksKnown: this.tasksKnown,
      freeBytes: undefined,
    }
  }
}

function find(cuckoo: FakeCuckoo, wanted = mark, signal = never) {
  return findTask(wanted, { cuckoo, log, signal, pause: backOff({ initialMs: 1, maxMs: 1 }) })
}

for (const status of ['pending', 'running', 'completed', 'reported']) {
  test(`a ${status} task with the mark is found`, async () => {
    assert.equal(await find(new FakeCuckoo(task(1, 'reported', 'other'), task(7, status))), 7)
  })
}

for (const status of ['failed_analysis', 'failed_processing', 'recovered']) {
  test(`a ${status} task is not taken over`, async () => {
    assert.equal(await find(new FakeCuckoo(task(7, status))), undefined)
  })
}

test('a shared custom counts only with the same file', async () => {
  const shared = { custom: 'mine', md5: 'bb' }
  assert.equal(await find(new FakeCuckoo(task(7, 'running', 'mine', 'aa')), shared), undefined)
  assert.equal(await find(new FakeCuckoo(task(7, 'running'), task(8, 'running', 'mine', 'BB')), shared), 8)
})

test('lists are asked for without a limit, and only reported tasks with a time', async () => {
  const cuckoo = new FakeCuckoo()
  await find(cuckoo)
  assert.deepEqual(
    cuckoo.lists.map(({ status, limit, completedAfter }) => [status, limit, completedAfter !== undefined]),
    [
      ['pending', undefined, false],
      ['running', undefined, false],
      ['completed', undefined, false],
      ['reported', undefined, true],
    ],
  )
})

test('empty lists are not believed while the counters show tasks', async () => {
  const cuckoo = new FakeCuckoo(task(7, 'running'))
  cuckoo.broken = true
  const found = find(cuckoo)
  await waitFor(() => cuckoo.looks > 5, { describe: 'six looks' })
  cuckoo.broken = false
  assert.equal(await found, 7)
})

test('counters of 0 prove nothing when the status tells nothing else', async () => {
  const cuckoo = new FakeCuckoo()
  cuckoo.tasksKnown = false
  const found = find(cuckoo)
  await waitFor(() => cuckoo.looks > 5, { describe: 'six looks' })
  cuckoo.tasksKnown = true
  assert.equal(await found, undefined)
})

test('an empty list of reported tasks is believed in the end: they may all be old', async () => {
  const cuckoo = new FakeCuckoo(task(7, 'reported'))
  cuckoo.broken = true
  assert.equal(await find(cuckoo), undefined)
  assert.equal(cuckoo.looks, 3)
})

test('the search ends with the signal', async () => {
  const cuckoo = new FakeCuckoo(task(7, 'running'))
  cuckoo.broken = true
  const ending = new AbortController()
  const found = find(cuckoo, mark, ending.signal)
  await waitFor(() => cuckoo.looks > 1, { describe: 'two looks' })
  ending.abort(new Error('enough'))
  await assert.rejects(found, /enough/)
})
