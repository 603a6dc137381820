// What must not go wrong when a message is held, stopped, relayed or about a task that is gone.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StopRequested } from '@cuckoo-distributed/core'
import { waitFor } from '@cuckoo-distributed/testing'
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
    const plain = await submitterScene(t, { EnabledParsers: [...EnabledParsers] })
    plain.cuckoo.vanish(1)
    await assert.rejects(plain.deliver({}).outcome, { code: 'TASK_GONE', permanent: true })
    const cleaning = await submitterScene(t, { EnabledParsers: [...EnabledParsers], CuckooCleanup: true })
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
