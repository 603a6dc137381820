import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fakeClock } from '@cuckoo-distributed/testing'
import { sendEach, sentInWords } from '../src/dumps/send-each.js'
import { dumpOf, failedFields, temporaryDir } from './support.js'

const never = new AbortController().signal
const NAMES = [1, 2, 3].map(i => `${`${i}`.repeat(32)}.json`)

/** Sends three dumps; `sent` are those that the broker has got so far. */
async function scene(t: TestContext, rate: number, { signal = never, until = never } = {}) {
  const dir = await temporaryDir(t)
  const content = dumpOf({ ...failedFields('worker/check'), body: Buffer.from('{}') })
  for (const name of NAMES) await writeFile(join(dir, name), content)
  const sent: number[] = []
  const publisher = {
    async publish() {
      sent.push(Date.now() - begun)
      return 'once' as const
    },
  }
  const clock = fakeClock(t)
  const begun = Date.now()
  const outcomes: string[] = []
  const each = async () => {
    for await (const { name, sent } of sendEach(NAMES, { dir, publisher, rate, until }, signal))
      outcomes.push(`${name[0]} ${sent.outcome}`)
  }
  return { clock, sent, outcomes, ended: each() }
}

test('dumps go at their rate: the first at once, each further one when its time has come', async t => {
  const { clock, sent, ended, outcomes } = await scene(t, 10)
  for (const ms of [0, 99, 1, 99, 1]) await clock.pass(ms)
  await ended
  assert.deepEqual(sent, [0, 100, 200])
  assert.deepEqual(outcomes, ['1 sent', '2 sent', '3 sent'])
})

test('dumps go without a pause at rate 0, and slower than one a second below 1', async t => {
  const fast = await scene(t, 0)
  for (const _ of NAMES) await fast.clock.pass(0)
  await fast.ended
  assert.deepEqual(fast.sent, [0, 0, 0])
  t.mock.timers.reset()
  const slow = await scene(t, 0.5)
  for (const ms of [0, 1999, 1, 2000]) await slow.clock.pass(ms)
  await slow.ended
  assert.deepEqual(slow.sent, [0, 2000, 4000])
})

for (const which of ['signal', 'until'] as const) {
  test(`an aborted ${which} ends it before the next dump, and does not wait for its time`, async t => {
    const stop = new AbortController()
    const { clock, sent, ended, outcomes } = await scene(t, 10, { [which]: stop.signal })
    await clock.pass(0)
    stop.abort(new Error('stopping'))
    await clock.pass(which === 'signal' ? 0 : 100)
    await ended
    assert.deepEqual([sent, outcomes], [[0], ['1 sent']])
  })
}

test('what became of a dump is said in words', () => {
  const words = [
    sentInWords({ outcome: 'left', why: 'no such queue' }),
    sentInWords({ outcome: 'sent', queue: 'worker/check' }),
    sentInWords({ outcome: 'sent', queue: 'worker/check', perhapsTwice: 'no confirm' }),
  ]
  assert.deepEqual(words, [
    'left: no such queue',
    'sent to worker/check',
    'sent to worker/check, possibly twice: no confirm',
  ])
})
