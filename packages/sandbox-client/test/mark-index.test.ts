import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { waitFor } from '@cuckoo-distributed/testing'
import { backOff } from '@cuckoo-distributed/wait'
import {
  type CuckooStatus,
  type ListedPhase,
  type ListOptions,
  MarkIndex,
  type MarkIndexOptions,
  type Phase,
  type TaskMark,
  type TaskSummary,
} from '../src/index.js'

const never = new AbortController().signal
const mark: TaskMark = { custom: 'mine', md5: 'aa' }
const HOUR = 3_600_000

function task(id: number, phase: Phase, custom = 'mine', md5 = 'aa', finished = Date.now()): TaskSummary {
  const completedOn = phase === 'reported' ? at(finished) : undefined
  return { id, phase, status: phase, custom, completedOn, md5, sha256: `${md5}${md5}`, tags: [], errors: [] }
}

/** Cuckoo's own clock, which is 5 hours ahead. */
function at(time: number): string {
  return new Date(time + 5 * HOUR).toISOString().slice(0, 19).replace('T', ' ')
}

/** A Cuckoo with these tasks. */
class FakeCuckoo {
  tasks: TaskSummary[]
  readonly asked: string[] = []
  readonly lists: ListOptions[] = []
  /** Lists that are empty whatever there is. */
  lying: readonly ListedPhase[] = []
  tasksKnown = true
  viewsFail = false
  looks = 0
  /** Resolves before a list is answered. */
  gate: Promise<void> = Promise.resolve()

  constructor(...tasks: TaskSummary[]) {
    this.tasks = tasks
  }

  async listTasks(options: ListOptions): Promise<TaskSummary[]> {
    const { phase = 'failed', completedAfter } = options
    this.asked.push(`list ${phase}`)
    this.lists.push(options)
    await this.gate
    if (this.lying.includes(phase)) return []
    const after = completedAfter === undefined ? '' : at(completedAfter * 1000)
    return this.tasks.filter(task => task.phase === phase && (task.completedOn ?? after) >= after)
  }

  async viewTask(id: number): Promise<TaskSummary | undefined> {
    this.asked.push(`view ${id}`)
    return this.viewsFail ? undefined : this.tasks.find(task => task.id === id)
  }

  async status(): Promise<CuckooStatus> {
    this.looks += 1
    this.asked.push('status')
    const count = (phase: Phase) => this.tasks.filter(task => task.phase === phase).length
    return {
      version: '1.2',
      pending: count('pending'),
      running: count('running'),
      completed: count('processing'),
      reported: count('reported'),
      total: this.tasks.length,
      tasksKnown: this.tasksKnown,
      freeBytes: undefined,
    }
  }
}

function indexOf(cuckoo: FakeCuckoo, options: Partial<MarkIndexOptions> = {}) {
  return new MarkIndex({ cuckoo, pause: () => backOff({ initialMs: 1, maxMs: 1 }), ...options })
}

/** The id of the task that a look finds which begins now. */
async function find(index: MarkIndex, wanted = mark, signal = never) {
  return (await index.find(wanted, { after: performance.now(), signal }))?.id
}

function findIn(cuckoo: FakeCuckoo, wanted = mark) {
  return find(indexOf(cuckoo), wanted)
}

for (const phase of ['pending', 'running', 'processing', 'reported'] as const) {
  test(`a ${phase} task with the mark is found`, async () => {
    assert.equal(await findIn(new FakeCuckoo(task(1, 'reported', 'other'), task(7, phase))), 7)
  })
}

for (const phase of ['failed', 'replaced'] as const) {
  test(`a task that is ${phase} by now is not taken over`, async () => {
    const cuckoo = new FakeCuckoo(task(7, 'running'))
    const index = indexOf(cuckoo)
    assert.equal(await find(index), 7)
    cuckoo.tasks = [task(7, phase)]
    assert.equal(await find(index), undefined)
    cuckoo.tasks.push(task(8, 'pending'))
    assert.equal(await find(index), 8)
  })
}

test('failed tasks are found by those who want them', async () => {
  const cuckoo = new FakeCuckoo(task(7, 'failed'))
  const look = { after: performance.now(), signal: never, accept: () => true }
  assert.equal(await indexOf(cuckoo).find(mark, look), undefined)
  assert.equal((await indexOf(cuckoo, { failedToo: true }).find(mark, look))?.id, 7)
})

describe('a mark', () => {
  test('counts only with the same file', async () => {
    const shared = { custom: 'mine', md5: 'bb' }
    assert.equal(await findIn(new FakeCuckoo(task(7, 'running')), shared), undefined)
    assert.equal(await findIn(new FakeCuckoo(task(7, 'running'), task(8, 'running', 'mine', 'BB')), shared), 8)
    assert.equal(await findIn(new FakeCuckoo(task(7, 'running')), { custom: 'mine', sha256: 'bbbb' }), undefined)
    assert.equal(await findIn(new FakeCuckoo(task(7, 'running')), { custom: 'mine', sha256: 'aaaa' }), 7)
  })

  test('is looked at only where the lists show the same file', async () => {
    const cuckoo = new FakeCuckoo(...Array.from({ length: 20 }, (_, i) => task(i + 1, 'running', 'mine', `b${i}`)))
    assert.equal(await findIn(cuckoo), undefined)
    assert.deepEqual(
      cuckoo.asked.filter(asked => asked.startsWith('view')),
      [],
    )
  })

  test('of several tasks gives the newest that is accepted', async () => {
    const cuckoo = new FakeCuckoo(task(7, 'running'), task(9, 'running'), task(8, 'running'))
    const index = indexOf(cuckoo)
    assert.equal(await find(index), 9)
    const look = { after: performance.now(), signal: never, accept: async ({ id }: TaskSummary) => id < 9 }
    assert.equal((await index.find(mark, look))?.id, 8)
  })

  test('is compared with a view: the id may be that of another task by now', async () => {
    const cuckoo = new FakeCuckoo(task(7, 'running'))
    const index = indexOf(cuckoo)
    await find(index)
    cuckoo.tasks = [task(7, 'running', 'other')]
    assert.equal(await find(index), undefined)
    cuckoo.tasks = [task(7, 'running', 'mine', 'bb')]
    assert.equal(await find(index), undefined)
  })
})

describe('the tasks of an upload', () => {
  const HOUR_AGO = Date.now() - HOUR
  /** Of the file `md5`; by default each has its own. */
  const member = (id: number, phase: Phase, added: number, custom = 'mine', md5 = `file${id}`): TaskSummary => {
    return { ...task(id, phase, custom, md5), addedOn: at(added), mayBeMember: true }
  }
  const upload = async (index: MarkIndex, wanted = mark) => {
    const tasks = await index.findUpload(wanted, { after: performance.now(), signal: never })
    return tasks.map(({ id }) => id)
  }

  test('are all found, the first one first; by the search also those that have failed meanwhile', async () => {
    const now = Date.now()
    const all = [member(9, 'running', now), member(7, 'pending', now), member(8, 'failed', now)]
    assert.deepEqual(await upload(indexOf(new FakeCuckoo(...all, member(6, 'running', now, 'other')))), [7, 9])
    const search = Object.assign(new FakeCuckoo(), { searchTasks: async () => all })
    assert.deepEqual(await upload(indexOf(search)), [7, 8, 9])
    assert.deepEqual(search.lists, [])
  })

  test('are only those that are accepted', async () => {
    const now = Date.now()
    const index = indexOf(new FakeCuckoo(member(9, 'running', now), member(7, 'running', now)))
    const accept = async ({ id }: TaskSummary) => id < 9
    const tasks = await index.findUpload(mark, { after: performance.now(), signal: never, accept })
    assert.deepEqual(
      tasks.map(({ id }) => id),
      [7],
    )
  })

  test('are not those of an earlier upload with the same mark', async () => {
    const cuckoo = new FakeCuckoo(member(3, 'reported', HOUR_AGO), member(9, 'running', Date.now()))
    assert.deepEqual(await upload(indexOf(cuckoo)), [9])
    const failed = new FakeCuckoo(member(3, 'running', HOUR_AGO), member(9, 'failed', Date.now()))
    assert.deepEqual(await upload(indexOf(failed)), [3])
  })

  test('are none when all have failed, or go on as others', async () => {
    const now = Date.now()
    const tasks = [member(3, 'failed', now), member(4, 'replaced', now)]
    assert.deepEqual(await upload(indexOf(new FakeCuckoo(...tasks))), [])
    const searching = (...found: TaskSummary[]) => Object.assign(new FakeCuckoo(), { searchTasks: async () => found })
    assert.deepEqual(await upload(indexOf(searching(...tasks))), [])
    assert.deepEqual(await upload(indexOf(searching(...tasks, member(5, 'running', now)))), [3, 5])
  })

  test('are not those of another upload of the same minute: each has the same files', async () => {
    const now = Date.now()
    const both = ['one', 'two'].flatMap((md5, index) => [
      member(3 + index, 'running', now - 30_000, 'mine', md5),
      member(8 + index, 'running', now, 'mine', md5),
    ])
    const searching = (...tasks: TaskSummary[]) => Object.assign(new FakeCuckoo(), { searchTasks: async () => tasks })
    assert.deepEqual(await upload(indexOf(new FakeCuckoo(...both))), [8, 9])
    assert.deepEqual(await upload(indexOf(searching(...both))), [8, 9])
    const retried = [member(3, 'running', now, 'mine', 'one'), member(8, 'failed', now, 'mine', 'one')]
    assert.deepEqual(await upload(indexOf(searching(...retried))), [3])
    assert.deepEqual(await upload(indexOf(searching(...retried.toReversed()))), [3])
  })

  test('are only those of the file where others may have the mark, unless the search for the file finds them', async () => {
    const now = Date.now()
    const others = [member(7, 'running', now, 'mine', 'aa'), member(8, 'running', now, 'mine', 'bb')]
    const shared = { ...mark, shared: true }
    assert.deepEqual(await upload(indexOf(new FakeCuckoo(...others)), shared), [7])
    assert.deepEqual(await upload(indexOf(new FakeCuckoo(...others)), { ...shared, md5: 'cc' }), [])
    const search = Object.assign(new FakeCuckoo(), { searchTasks: async () => others })
    assert.deepEqual(await upload(indexOf(search), { ...shared, md5: 'cc' }), [7, 8])
  })

  test('are one where a sandbox makes no more, however many have the mark', async () => {
    const cuckoo = new FakeCuckoo(task(7, 'running'), task(9, 'failed'), task(8, 'running'))
    const index = indexOf(cuckoo)
    assert.deepEqual(await upload(index), [8])
    const asked = cuckoo.asked.length
    assert.deepEqual(await upload(index), [8])
    assert.deepEqual(cuckoo.asked.slice(asked), ['view 8'], 'one that is known is enough')
  })
})

describe('a task that a view does not show', () => {
  test('is gone when that is repeated while the status can be believed', async () => {
    const cuckoo = new FakeCuckoo(task(7, 'running'), task(1, 'running', 'other'))
    const index = indexOf(cuckoo)
    await find(index)
    cuckoo.tasks = [task(1, 'running', 'other')]
    assert.equal(await find(index), undefined)
    assert.equal(cuckoo.asked.filter(asked => asked === 'view 7').length, 4)
  })

  test('is not given up while the database fails', async () => {
    const cuckoo = new FakeCuckoo(task(7, 'running'))
    const index = indexOf(cuckoo)
    await find(index)
    Object.assign(cuckoo, { viewsFail: true, tasksKnown: false })
    const found = find(index)
    await waitFor(() => cuckoo.looks > 6, { describe: 'six looks' })
    Object.assign(cuckoo, { viewsFail: false, tasksKnown: true })
    assert.equal(await found, 7)
  })
})

test('a task of days ago is not given up while the database fails, since lists show it no more', async () => {
  const old = Array.from({ length: 150 }, (_, i) => task(i + 1, 'reported', `c${i}`, 'aa', Date.now() - i * HOUR))
  const cuckoo = new FakeCuckoo(...old)
  const index = indexOf(cuckoo)
  for (let i = 0; i < 3; i += 1) await find(index)
  Object.assign(cuckoo, { viewsFail: true, tasksKnown: false })
  const before = cuckoo.looks
  const asked = cuckoo.asked.length
  const found = find(index, { custom: 'c100' })
  await waitFor(() => cuckoo.looks > before + 6, { describe: 'six looks' })
  Object.assign(cuckoo, { viewsFail: false, tasksKnown: true })
  assert.equal(await found, 101)
  assert.ok(!cuckoo.asked.slice(asked).some(what => what.startsWith('list')), 'it was known all the time')
})

test('an index that has grown by 100,000 marks is filled anew, so that those of deleted tasks go', async () => {
  const cuckoo = new FakeCuckoo(task(1, 'running', 'other'))
  const index = indexOf(cuckoo)
  const week = () => Date.now() / 1000 - (cuckoo.lists.at(-1)?.completedAfter ?? 0) > 7 * 24 * 3600
  await find(index)
  cuckoo.tasks = Array.from({ length: 100_001 }, (_, i) => task(i + 1, 'reported', `c${i}`))
  await find(index)
  cuckoo.tasks.push(task(200_000, 'reported', 'new'))
  await find(index)
  await find(index)
  assert.equal(week(), false)
  cuckoo.tasks.push(task(200_001, 'reported', 'new'))
  await find(index)
  cuckoo.tasks = cuckoo.tasks.slice(-2)
  await find(index)
  assert.equal(week(), true)
  assert.equal(await find(index, { custom: 'c7' }), undefined)
  assert.ok(!cuckoo.asked.includes('view 8'))
})

test('lists that are not believed are read again at once, and then after a pause', async t => {
  const cuckoo = new FakeCuckoo(task(7, 'running'))
  cuckoo.lying = ['running']
  const never = () => backOff({ initialMs: 1e9, maxMs: 1e9 })
  const onDoubt = () => {
    cuckoo.lying = []
  }
  assert.equal(await find(indexOf(cuckoo, { pause: never, onDoubt })), 7)
  cuckoo.lying = ['running']
  const stop = new AbortController()
  t.after(() => stop.abort())
  const waiting = find(indexOf(cuckoo, { pause: never }), mark, stop.signal)
  await waitFor(() => cuckoo.looks === 4, { describe: 'two more looks' })
  await new Promise(resolve => setTimeout(resolve, 20))
  assert.equal(cuckoo.looks, 4)
  stop.abort(new Error('enough'))
  await assert.rejects(waiting, /enough/)
})

describe('lists that are empty', () => {
  for (const phase of ['pending', 'running', 'processing'] as const) {
    test(`are not believed while the counters show tasks (${phase})`, async () => {
      const cuckoo = new FakeCuckoo(task(7, phase))
      cuckoo.lying = [phase]
      const doubts: unknown[] = []
      const found = find(indexOf(cuckoo, { onDoubt: phases => doubts.push(...phases) }))
      await waitFor(() => cuckoo.looks > 5, { describe: 'six looks' })
      cuckoo.lying = []
      assert.equal(await found, 7)
      assert.deepEqual(new Set(doubts), new Set([phase]))
    })
  }

  test('prove nothing when the counters are 0 and the status tells nothing else', async () => {
    const cuckoo = new FakeCuckoo()
    cuckoo.tasksKnown = false
    const found = findIn(cuckoo)
    await waitFor(() => cuckoo.looks > 5, { describe: 'six looks' })
    cuckoo.tasksKnown = true
    assert.equal(await found, undefined)
  })

  test('of reported tasks are believed in the end: they may all be old', async () => {
    const cuckoo = new FakeCuckoo(task(7, 'reported'))
    cuckoo.lying = ['reported']
    assert.equal(await findIn(cuckoo), undefined)
    assert.equal(cuckoo.looks, 3)
  })

  test('reject a look that is bounded', async () => {
    const cuckoo = new FakeCuckoo(task(7, 'running'))
    cuckoo.lying = ['running']
    const found = find(indexOf(cuckoo, { maxLooks: 2 }))
    await assert.rejects(found, { code: 'CUCKOO_LISTS_DOUBTFUL', fault: 'doubtful', message: /running/ })
    assert.equal(cuckoo.looks, 2)
  })
})

describe('the lists', () => {
  test('are asked for in the order of a task, and only the reported tasks since a time', async () => {
    const cuckoo = new FakeCuckoo(task(1, 'reported', 'other'))
    await findIn(cuckoo)
    assert.deepEqual(cuckoo.asked, ['list pending', 'list running', 'list processing', 'status', 'list reported'])
    assert.deepEqual(
      cuckoo.lists.map(({ completedAfter }) => completedAfter !== undefined),
      [false, false, false, true],
    )
    const week = Date.now() / 1000 - (cuckoo.lists[3]?.completedAfter ?? 0)
    assert.ok(week >= 7 * 24 * 3600 && week < 8 * 24 * 3600)
  })

  test('reach back three hours by the clock of Cuckoo once they are known', async () => {
    const history = Array.from({ length: 24 * 6 }, (_, i) => {
      return task(i + 1, 'reported', `c${i}`, 'aa', Date.now() - i * HOUR)
    })
    const cuckoo = new FakeCuckoo(...history)
    const index = indexOf(cuckoo)
    for (let i = 0; i < 4; i += 1) await find(index)
    const hours = (Date.now() / 1000 - (cuckoo.lists.at(-1)?.completedAfter ?? 0)) / 3600
    assert.ok(hours >= 3 && hours <= 5, `${hours} h`)
    // Old ones are known all the same.
    assert.equal(await find(index, { custom: 'c100', md5: 'aa' }), 101)
  })

  test('that were doubted do not move on to what is newer', async () => {
    const old = task(1, 'reported', 'old', 'aa', Date.now() - 100 * HOUR)
    const cuckoo = new FakeCuckoo(old, task(2, 'reported', 'new'), task(3, 'running', 'other'))
    cuckoo.lying = ['running']
    const index = indexOf(cuckoo, { maxLooks: 1 })
    for (let i = 0; i < 4; i += 1) await assert.rejects(find(index, { custom: 'none' }))
    const days = (Date.now() / 1000 - (cuckoo.lists.at(-1)?.completedAfter ?? 0)) / 86_400
    assert.ok(days >= 7)
  })

  test('that begin late are read again from the beginning when they are empty', async () => {
    const cuckoo = new FakeCuckoo(task(1, 'reported', 'old', 'aa', Date.now() - 100 * HOUR), task(2, 'reported', 'new'))
    const index = indexOf(cuckoo)
    for (let i = 0; i < 3; i += 1) await find(index, { custom: 'none' })
    cuckoo.tasks = cuckoo.tasks.slice(0, 1)
    const before = cuckoo.looks
    await find(index, { custom: 'none' })
    assert.equal(cuckoo.looks - before, 2)
  })

  test('are read once for all who look', async () => {
    const cuckoo = new FakeCuckoo(task(1, 'running', 'a'))
    const index = indexOf(cuckoo)
    const looks = Array.from({ length: 50 }, (_, i) => find(index, { custom: `c${i}` }))
    await Promise.all(looks)
    // The first look begins a refresh, which is too early for the others.
    assert.ok(cuckoo.lists.length <= 8, `${cuckoo.lists.length} lists`)
  })

  test('serve no look that began after they were asked for', async () => {
    const cuckoo = new FakeCuckoo()
    const index = indexOf(cuckoo)
    let open: () => void = assert.fail
    cuckoo.gate = new Promise(resolve => {
      open = resolve
    })
    const first = find(index)
    await waitFor(() => cuckoo.asked.length > 0, { describe: 'a list' })
    const second = find(index)
    // A task that a slow list, asked for before the second look, does not show.
    const { listTasks } = cuckoo
    cuckoo.listTasks = async options => {
      const tasks = await listTasks.call(cuckoo, options)
      cuckoo.listTasks = listTasks
      return tasks
    }
    open()
    await first
    cuckoo.tasks.push(task(7, 'pending'))
    assert.equal(await second, 7)
  })

  test('are not read for a task that is known', async () => {
    const cuckoo = new FakeCuckoo(task(7, 'running'))
    const index = indexOf(cuckoo)
    await find(index)
    const before = cuckoo.lists.length
    assert.equal(await find(index), 7)
    assert.equal(cuckoo.lists.length, before)
  })

  test('are not read any more when nobody waits', async () => {
    const cuckoo = new FakeCuckoo(task(7, 'running'))
    cuckoo.lying = ['running']
    const ending = new AbortController()
    const found = find(indexOf(cuckoo), mark, ending.signal)
    await waitFor(() => cuckoo.looks > 1, { describe: 'two looks' })
    ending.abort(new Error('enough'))
    await assert.rejects(found, /enough/)
    await new Promise(resolve => setTimeout(resolve, 5))
    const { looks } = cuckoo
    await new Promise(resolve => setTimeout(resolve, 20))
    assert.equal(cuckoo.looks, looks)
  })
})

test('an empty mark is that of no task', async () => {
  assert.equal(await findIn(new FakeCuckoo(task(7, 'pending', '')), { custom: '' }), undefined)
})
