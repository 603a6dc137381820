// What must not go wrong when a message is held, stopped, relayed or about a task that is gone.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { type TestContext, test } from 'node:test'
import { HoldLimitReached, StopRequested, writeHeaders } from '@cuckoo-distributed/core'
import { memoryBody, waitFor, zip } from '@cuckoo-distributed/testing'
import type { Config } from '../src/config.js'
import { PROGRESS } from '../src/notes.js'
import { submitterScene } from './submitter.js'

const { signal } = new AbortController()

test('a process that stops gives back a message that got further, with its progress', async t => {
  const { analysis, deliver } = await submitterScene(t)
  const stop = new AbortController()
  const { headers, outcome } = deliver({}, stop.signal)
  await waitFor(() => analysis().results.length > 0, { everyMs: 1, describe: 'the first rows' })
  stop.abort(new StopRequested())
  assert.equal((await outcome).kind, 'later')
  assert.ok(headers.notes.get(PROGRESS)?.rows)
})

for (const [EnabledParsers, what] of [
  [['info'], 'report'],
  [['dropped'], 'archive'],
] as const) {
  test(`a task whose ${what} is gone is final, whether it is cleaned up or not`, async t => {
    // A report that is missing is looked for four times, by pauses that are a part of HoldLimit.
    const config = { EnabledParsers: [...EnabledParsers], HoldLimit: 1 }
    const plain = await submitterScene(t, config)
    plain.cuckoo.vanish(1)
    await assert.rejects(plain.deliver({}).outcome, { code: 'TASK_GONE', permanent: true })
    const cleaning = await submitterScene(t, { ...config, CuckooCleanup: true })
    cleaning.cuckoo.vanish(1)
    await assert.rejects(cleaning.deliver({}).outcome, { code: 'TASK_GONE_AFTER_CLEANUP', permanent: true })
  })
}

test('a queue that the message has been in is not relayed to again, and that instance finishes', async t => {
  const { analysis, deliver } = await submitterScene(t, { ProducerQueue: 'next' })
  const { outcome } = deliver({ 'x-visited': JSON.stringify(['next']) })
  assert.equal((await outcome).kind, 'done')
  assert.equal(analysis().status, 'completed')
})

test('an instance that relays does not clean up', async t => {
  const { cuckoo, deliver } = await submitterScene(t, { ProducerQueue: 'next', CuckooCleanup: true })
  const relayed = await deliver({}).outcome
  assert.ok(relayed.kind === 'forward')
  assert.equal(relayed.afterwards, undefined)
  assert.ok(cuckoo.tasks.get(1))
})

test('the sample in its own archive gets a row and is not sent; the same name and bytes get one row', async t => {
  const files = ['a.exe', 'a.exe', 'b.exe'].map(name => ({ name, content: Buffer.from('MZ a sample') }))
  const { crits, analysis, deliver } = await submitterScene(t, {}, { standIns: { cuckoo: { dropped: () => files } } })
  await deliver({}).outcome
  assert.ok(!crits.journal.some(({ method, path }) => method === 'POST' && path === '/api/v1/samples/'))
  const rows = analysis().results.filter(({ subtype }) => subtype === 'file_added')
  assert.deepEqual(
    rows.map(({ result }) => result),
    ['a.exe', 'b.exe'],
  )
})

test('a report about another file is never sent', async t => {
  const report = JSON.stringify({ info: { id: 1 }, target: { file: { md5: 'f'.repeat(32) } } })
  const cuckoo = {
    report: () => ({
      bytes: report.length,
      stream: async function* () {
        yield Buffer.from(report)
      },
    }),
  }
  const { analysis, deliver } = await submitterScene(t, {}, { standIns: { cuckoo } })
  await assert.rejects(deliver({}, signal).outcome, { code: 'WRONG_SAMPLE' })
  assert.deepEqual(analysis().results, [])
})

test('a due time that a clock has set far ahead is waited for no longer than one pause', async t => {
  const { deliver } = await submitterScene(t, { ProducerQueue: 'next' }, { uploadPauseMs: 20 })
  const first = deliver({})
  const relayed = await first.outcome
  assert.ok(relayed.kind === 'forward')
  await assert.rejects(async () => relayed.orElse?.(new Error('no such queue')), /no such queue/)
  const progress = { ...first.headers.notes.get(PROGRESS), due: Date.now() + 3_600_000 }
  const table = { ...writeHeaders(first.headers), 'x-progress': JSON.stringify(progress) }
  assert.equal((await deliver(table, AbortSignal.timeout(30_000)).outcome).kind, 'forward')
})

const dropping = (...names: string[]) => names.map(name => ({ name, content: Buffer.from(`MZ ${name}`) }))

test('an analysis is not passed on while a file is left, which is tried again after ten minutes', async t => {
  const dropped = () => dropping('bad', 'good')
  const { crits, analysis, deliver } = await submitterScene(t, {}, { standIns: { cuckoo: { dropped } } })
  crits.failingUploads.set(createHash('md5').update('MZ bad').digest('hex'), 504)
  const held = new AbortController()
  const { headers, outcome } = deliver({}, held.signal)
  const ended = outcome.then(({ kind }) => kind, String)
  const due = () => headers.notes.get(PROGRESS)?.due ?? 0
  await waitFor(() => due() > 0, { describe: 'the pause' })
  assert.ok(due() > Date.now() + 9 * 60_000 && due() <= Date.now() + 10 * 60_000)
  held.abort(new Error('held'))
  assert.equal(await ended, 'Error: held')
  assert.equal(analysis().status, 'started')
})

/** HoldLimit is over while Cuckoo sends this; `skippedMs` is what the clock of the process says that it took. */
async function heldTooLong(t: TestContext, skippedMs: number, { dropped }: { readonly dropped: boolean }) {
  const waiting = new AbortController()
  const now = performance.now.bind(performance)
  let skipped = 0
  t.mock.method(performance, 'now', () => now() + skipped)
  const slow = ({ bytes, stream }: ReturnType<typeof memoryBody>) => ({
    bytes,
    async *stream() {
      skipped = skippedMs
      waiting.abort(new HoldLimitReached())
      yield* stream()
    },
  })
  const cuckoo = {
    report: () => (dropped ? memoryBody('{}') : slow(memoryBody('{"info":'))),
    dropped: () => slow(memoryBody(zip(dropping('a', 'b')))),
  }
  const keys: Partial<Config> = { HoldLimit: 60, EnabledParsers: [dropped ? 'dropped' : 'info'] }
  const { deliver } = await submitterScene(t, keys, { standIns: { cuckoo } })
  return deliver({}, waiting.signal).outcome
}

test('a Cuckoo that is too slow for HoldLimit is named, unless the message got further or Cuckoo was quick', async t => {
  await assert.rejects(heldTooLong(t, 60_000, { dropped: false }), { code: 'CUCKOO_TOO_SLOW' })
  await assert.rejects(heldTooLong(t, 0, { dropped: false }), HoldLimitReached)
  await assert.rejects(heldTooLong(t, 60_000, { dropped: true }), HoldLimitReached)
})

test('a message for whose files there is no space on the disk waits, and goes to the end of its queue', async t => {
  const { deliver, lines } = await submitterScene(t, {}, { standIns: { cuckoo: { dropped: () => dropping('a') } } })
  await using probe = await open(process.execPath)
  t.mock.method(Object.getPrototypeOf(probe), 'write', () =>
    Promise.reject(Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })),
  )
  const stop = new AbortController()
  const ended = deliver({}, stop.signal).outcome.then(({ kind }) => kind, String)
  await waitFor(() => lines('warn').includes('TmpDir is full; the message waits'), { describe: 'the wait for space' })
  stop.abort(new HoldLimitReached())
  assert.equal(await ended, 'later')
})
