/** When old tasks are looked for, and where their removal ends: exactly at the limits. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { fakeClock } from '@cuckoo-distributed/testing'
import { keepWithin, type RetentionOptions } from '../src/dispatch/retention.js'

const DAY_MS = 86_400_000
const KEEP_ALL = { KeepReports: 0, KeepReportsBytes: 0, KeepFailed: 0, Interval: 30 }

/** Finished tasks 1, 2, … with reports of these sizes, the oldest first. */
async function scene(t: TestContext, given: Partial<typeof KEEP_ALL>, sizes: readonly number[] = []) {
  const clock = fakeClock(t)
  const heard: unknown[] = []
  const control = { isLost: false, onLook: () => {} }
  const store = {
    now: Date.now,
    oldTasks: {
      list: async (state: string, { before }: { before: number }) => {
        heard.push([state, (Date.now() - before) / DAY_MS])
        return state === 'finished' ? sizes.map((bytes, i) => ({ id: i + 1, completedOn: 0, bytes })) : []
      },
      reportBytes: async () => sizes.reduce((sum, size) => sum + size, 0),
    },
    tasks: { removeSettled: async (id: number) => heard.push(`removed ${id}`) > 0 },
  }
  const look = () => {
    control.onLook()
    if (control.isLost) throw new Error('lost')
  }
  const log = { info: () => undefined, error: () => undefined, warn: () => undefined }
  const options: RetentionOptions = Object.assign(Object.create(null), {
    ...{ store, config: { ...KEEP_ALL, ...given }, leadership: { look }, log },
  })
  const stopping = new AbortController()
  t.after(() => stopping.abort())
  keepWithin(options, stopping.signal).catch(() => undefined)
  return { clock, heard, control }
}

test('tasks are looked for at the start, and after two intervals', async t => {
  const { clock, heard } = await scene(t, { KeepFailed: 1, KeepReports: 1 })
  await clock.pass(0)
  const look = [
    ['failed', 1],
    ['finished', 1],
  ]
  assert.deepEqual(heard, look)
  await clock.pass(59_999)
  assert.equal(heard.length, 2)
  await clock.pass(1)
  assert.deepEqual(heard, [...look, ...look])
})

const REMOVED: readonly (readonly [string, number, readonly string[]])[] = [
  ['as many bytes as may be', 30, []],
  ['one byte too many', 29, ['removed 1']],
  ['as many too many as the oldest task has', 20, ['removed 1']],
  ['one more than that', 19, ['removed 1', 'removed 2']],
]

for (const [what, KeepReportsBytes, removed] of REMOVED) {
  test(`of ${what}, ${removed.length} tasks go`, async t => {
    const { clock, heard } = await scene(t, { KeepReportsBytes }, [10, 10, 10])
    await clock.pass(0)
    assert.deepEqual(heard, removed.length === 0 ? [] : [['finished', 0], ...removed])
  })
}

test('each task waits for a turn of the event loop, and who leads is looked at after it', async t => {
  const { heard, control } = await scene(t, { KeepReports: 1 }, [1, 1, 1])
  const looks: number[] = []
  let turns = 0
  control.onLook = () => looks.push(turns)
  for (; turns < 2; turns += 1) await setImmediate()
  control.isLost = true
  for (; turns < 6; turns += 1) await setImmediate()
  assert.equal(new Set(looks).size, looks.length, `a turn for each: ${looks}`)
  assert.deepEqual(
    heard.slice(1),
    looks.slice(0, -1).map((_, i) => `removed ${i + 1}`),
  )
  assert(looks.length < 4)
})
