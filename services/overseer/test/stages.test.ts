import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type BoundStage,
  type HeaderTable,
  type Outcome,
  readHeaders,
  SharedCauses,
  type StageContext,
  UndeliverableError,
  writeHeaders,
} from '@cuckoo-distributed/core'
import { overseeStage, TASK_GONE_AFTER_CLEANUP } from '../src/oversee.js'
import { releaseStages } from '../src/release.js'
import { contextOf, taskBody, wrapped } from './support.js'

const never = new AbortController().signal
const failures = JSON.stringify([{ at: '2026-01-02T03:04:05.678Z', service: 'check_results', error: 'no answer' }])

/** An overseer whose dump directory writes down what it is given; `refused` names files that it does not take. */
function overseer(refused = /^$/) {
  const dumps: { name: string; content: string }[] = []
  const notices = new Map<string, { crits: { analysisId: string }; line: string; isError: boolean }>()
  const told: { analysis: string; line: string; isError: boolean }[] = []
  const writes: { signal: AbortSignal; held: number | undefined }[] = []
  const stage = overseeStage({
    queue: 'worker/failed',
    prefetch: 1,
    retryDelays: [1, 60],
    sharedCauseLimit: 3600,
    causes: new SharedCauses(),
    dumps: {
      async write(name, parts, signal, held) {
        writes.push({ signal, held })
        const content = Buffer.concat([...parts]).toString()
        if (refused.test(name)) return false
        if (name.startsWith('.notice-')) notices.set(name, JSON.parse(content))
        else dumps.push({ name, content })
        return true
      },
    },
    notices: {
      tell(file) {
        const { crits, line, isError } = notices.get(file) ?? assert.fail('told before it was on disk')
        told.push({ analysis: crits.analysisId, line, isError })
      },
    },
  })
  return { stage, dumps, told, writes }
}

function releaseStage(seconds: number): BoundStage {
  return releaseStages('worker/failed', [seconds])[0] ?? assert.fail('no stage')
}

async function refuse(outcome: Outcome, refusal: Error): Promise<Outcome> {
  assert.equal(outcome.kind, 'forward')
  assert.ok(outcome.orElse)
  return outcome.orElse(refusal)
}

function target(outcome: Outcome) {
  assert.equal(outcome.kind, 'forward')
  return { queue: outcome.queue, body: outcome.body.toString(), carry: outcome.carry }
}

function headersOf(context: StageContext): HeaderTable {
  return writeHeaders(context.headers)
}

test('a failed message goes unchanged to the delay queue of its attempt', async () => {
  const body = wrapped('worker/check', taskBody('a-1'))
  const before = Date.now()
  const context = contextOf(body, { 'x-attempts': 2, 'x-failures': failures, 'x-progress': 'a note' }, never)
  const outcome = await overseer().stage.run(context)
  assert.deepEqual(target(outcome), { queue: 'worker/failed.delay.60', body: body.toString(), carry: 'all' })
  const { 'x-due': due, ...headers } = headersOf(context)
  assert.deepEqual(headers, { 'x-attempts': 2, 'x-failures': failures, 'x-progress': 'a note' })
  assert.ok(Number(due) >= before + 60_000 && Number(due) <= Date.now() + 60_000)
})

test('a message of a Go stage, which counts nothing, has failed once', async () => {
  const context = contextOf(wrapped('worker/check', taskBody('a-1')), {}, never)
  assert.equal(target(await overseer().stage.run(context)).queue, 'worker/failed.delay.1')
  assert.equal(headersOf(context)['x-attempts'], 1)
})

test('a dumped analysis is ended as error with the reason of its last failure', async () => {
  const { stage, dumps, told } = overseer()
  const headers = { 'x-attempts': 3, 'x-failures': failures }
  const outcome = await stage.run(contextOf(wrapped('worker/check', taskBody('a-1')), headers, never))
  assert.equal(outcome.kind, 'done')
  assert.equal(dumps.length, 1)
  const line = `Given up (failed 3 times); the overseer keeps the message as ${dumps[0]?.name}. check_results: no answer`
  assert.deepEqual(told, [{ analysis: 'a-1', line, isError: true }])
})

test('an analysis whose task was cleaned up after the work gets a line but no error', async () => {
  const { stage, told } = overseer()
  const body = wrapped('worker/submit', taskBody('a-1'), { desc: TASK_GONE_AFTER_CLEANUP })
  await stage.run(contextOf(body, { 'x-attempts': 1, 'x-permanent': 1 }, never))
  assert.deepEqual(
    told.map(({ isError }) => isError),
    [false],
  )
})

test('while dump or notice cannot be written CRITs is told nothing and the message is kept', async () => {
  const headers = { 'x-permanent': 1, 'x-attempts': 1 }
  for (const refused of [/json$|bin$/, /^\.notice-/]) {
    const { stage, told } = overseer(refused)
    assert.equal((await stage.run(contextOf(wrapped('worker/check', taskBody('a-1')), headers, never))).kind, 'later')
    assert.equal((await stage.run(contextOf(Buffer.from(taskBody('a-1')), {}, never))).kind, 'later')
    assert.deepEqual(told, [])
  }
  const { stage } = overseer(/json$|bin$/)
  for (const [body, given] of [
    [wrapped('worker/check', 'm'), headers],
    [Buffer.from('of no analysis'), {}],
  ] as const)
    assert.equal((await stage.run(contextOf(body, given, never))).kind, 'later')
})

test('what is no failed message is dumped byte for byte, and its analysis told if it can be found', async () => {
  const { stage, dumps, told } = overseer()
  for (const body of ['not JSON', taskBody('a-1')]) {
    assert.equal((await stage.run(contextOf(Buffer.from(body), {}, never))).kind, 'done')
  }
  const nameless = contextOf(Buffer.from('raw'), { 'x-failed-queue': '', 'x-failed-service': 's' }, never)
  assert.equal((await stage.run(nameless)).kind, 'done')
  assert.deepEqual(
    dumps.map(({ content }) => content),
    ['not JSON', taskBody('a-1'), 'raw'],
  )
  assert.deepEqual(
    told.map(({ analysis, isError }) => [analysis, isError]),
    [['a-1', true]],
  )
})

test('a message that its delay queue can never take is dumped', async () => {
  const { stage, dumps, told } = overseer()
  const outcome = await stage.run(contextOf(wrapped('worker/check', taskBody('a-1')), {}, never))
  assert.equal((await refuse(outcome, new Error('too large'))).kind, 'done')
  assert.equal(dumps.length, 1)
  assert.match(told[0]?.line ?? '', /^Given up \(too large\); /)
})

test('a dump and its notice wait with the bytes of their message, until the message is to be given back', async () => {
  const { stage, writes } = overseer()
  const { signal } = new AbortController()
  for (const body of [wrapped('worker/check', taskBody('a-1')), Buffer.from(taskBody('a-2'))]) {
    writes.length = 0
    await stage.run({ ...contextOf(body, { 'x-permanent': 1, 'x-attempts': 1 }, signal), working: never })
    assert.deepEqual(writes, Array(2).fill({ signal, held: body.length }))
    assert.ok(writes.every(write => write.signal === signal))
  }
})

/** The wait of `release` is over before it begins. */
const due = { 'x-due': 1 }

test('a released message is the original with its headers, without those of the overseer', async () => {
  const context = contextOf(
    wrapped('worker/check', 'original'),
    { ...due, 'x-attempts': 2, 'x-visited': '["a"]' },
    never,
  )
  const outcome = await releaseStage(60).run(context)
  assert.deepEqual(target(outcome), { queue: 'worker/check', body: 'original', carry: 'all' })
  assert.deepEqual(headersOf(context), { 'x-attempts': 2, 'x-visited': '["a"]' })
})

test('a raw message is released without its envelope', async () => {
  const context = contextOf(Buffer.from([0xff]), { ...due, 'x-attempts': 1, 'x-failed-queue': 'worker/feed' }, never)
  const outcome = await releaseStage(60).run(context)
  assert.equal(target(outcome).queue, 'worker/feed')
  assert.deepEqual(headersOf(context), { 'x-attempts': 1 })
})

const refusals: [string, Error, HeaderTable][] = [
  ['is missing', new UndeliverableError('worker/feed', 'returned'), { 'x-attempts': 1, 'x-permanent': 1 }],
  ['cannot be named', new TypeError('routingKey is too long'), { 'x-attempts': 1, 'x-permanent': 1 }],
]
for (const [name, refusal, expected] of refusals) {
  test(`a message whose queue ${name} goes back to the overseer as it came, with the reason in its history`, async () => {
    const envelope = { 'x-failed-queue': 'worker/feed', 'x-failed-service': 'feed_cuckoo', 'x-failed-error': 'e' }
    const context = contextOf(Buffer.from([0xff]), { ...due, ...envelope, 'x-attempts': 1 }, never)
    const outcome = await releaseStage(60).run(context)
    const back = await refuse(outcome, refusal)
    assert.equal(target(back).queue, 'worker/failed')
    const { 'x-failures': history, 'x-failed-desc': _desc, 'x-failed-at': _at, ...headers } = headersOf(context)
    assert.deepEqual(headers, { ...envelope, ...expected })
    const last = readHeaders({ 'x-failures': history }).failures.at(-1)
    assert.deepEqual([last?.service, last?.error], ['overseer', refusal.message])
  })
}

test('a message whose queue is full waits once more in its delay queue, and it counts as no try', async () => {
  const failed = contextOf(wrapped('worker/check', 'm'), { ...due, 'x-attempts': 1 }, never)
  const context = { ...failed, delivery: { ...failed.delivery, queue: 'worker/failed.delay.60' } }
  const outcome = await releaseStage(60).run(context)
  const again = await refuse(outcome, new UndeliverableError('worker/check', 'nacked'))
  assert.deepEqual(target(again), {
    queue: 'worker/failed.delay.60',
    body: context.delivery.body.toString(),
    carry: 'all',
  })
  const { 'x-due': next, ...headers } = headersOf(context)
  assert.deepEqual(headers, { 'x-attempts': 1 })
  assert.ok(Number(next) > Date.now(), 'not due at once')
})

test('what strays into a delay queue goes to the overseer, not back and forth', async () => {
  const context = contextOf(Buffer.from('not JSON'), {}, never)
  assert.equal(target(await releaseStage(60).run(context)).queue, 'worker/failed')
})

test('a wait for the next try ends with the reason of the signal', async () => {
  const context = contextOf(wrapped('worker/check', 'm'), {}, AbortSignal.abort(new Error('stopping')))
  await assert.rejects(releaseStage(600).run(context), /stopping/)
})

test('a message that waits for a shared cause has not failed yet', async () => {
  const cause = JSON.stringify({ code: 'CRITS_AUTH', since: Date.now(), tries: 2 })
  const context = contextOf(wrapped('worker/check', taskBody('a-1')), { 'x-cause': cause }, never)
  assert.equal(target(await overseer().stage.run(context)).queue, 'worker/failed.delay.10')
  const { 'x-due': _due, ...headers } = headersOf(context)
  assert.deepEqual(headers, { 'x-cause': cause })
})

const MIB = 1024 * 1024

/** Lets a stage have the body of a large message: when it is due, and there is room. */
async function sentFor(stage: BoundStage, context: StageContext): Promise<Outcome> {
  const outcome = await stage.run(context)
  assert.equal(outcome.kind, 'again')
  await outcome.when()
  return stage.run(context)
}

test('large bodies are in hand one at a time, until the publish has ended, however it does', async () => {
  const [first, second] = releaseStages('worker/failed', [1, 10])
  assert.ok(first && second)
  const large = wrapped('worker/check', 'x'.repeat(16 * MIB))
  const lost = new AbortController()
  const ends: ((outcome: Outcome) => unknown)[] = [
    outcome => outcome.kind === 'forward' && outcome.carriedOut?.(),
    outcome => refuse(outcome, new UndeliverableError('worker/check', 'returned')),
    () => lost.abort(new Error('the channel is gone')),
  ]
  for (const end of ends) {
    const outcome = await sentFor(first, { ...contextOf(large, due, never), working: lost.signal })
    assert.equal(target(outcome).queue, 'worker/check')
    let isNext = false
    const next = sentFor(second, contextOf(large, due, never)).then(result => {
      isNext = true
      return result
    })
    await new Promise(setImmediate)
    assert.equal(isNext, false)
    end(outcome)
    const result = await next
    if (result.kind === 'forward') result.carriedOut?.()
  }
})

test('a large body is not held while its message waits, which ends with the reason of the signal', async () => {
  const stop = new AbortController()
  const large = wrapped('worker/check', 'x'.repeat(2 * MIB))
  const outcome = await releaseStage(600).run(contextOf(large, { 'x-attempts': 1 }, stop.signal))
  assert.equal(outcome.kind, 'again')
  const waiting = outcome.when()
  stop.abort(new Error('stopping'))
  await assert.rejects(waiting, /stopping/)
})

test('a large message that was sent for does not wait once more, though the clock was set back', async () => {
  const [stage] = releaseStages('worker/failed', [0.001])
  const large = contextOf(wrapped('worker/check', 'x'.repeat(2 * MIB)), { 'x-due': 2 ** 52 }, never)
  const outcome = await sentFor(stage ?? assert.fail('no stage'), large)
  assert.equal(target(outcome).queue, 'worker/check')
})

test('what comes in place of the large message that was sent for waits until it is due itself', async () => {
  const [stage] = releaseStages('worker/failed', [600])
  assert.ok(stage)
  const text = 'x'.repeat(2 * MIB)
  const outcome = await stage.run(contextOf(wrapped('worker/check', text), due, never))
  assert.equal(outcome.kind, 'again')
  await outcome.when()
  const other = contextOf(wrapped('worker/check', text), { 'x-due': Date.now() + 500_000 }, never)
  assert.equal((await stage.run(other)).kind, 'again')
})

test('a large stranger in a delay queue goes to the overseer at once', async () => {
  const context = contextOf(Buffer.alloc(2 * MIB, 'no JSON'), {}, never)
  assert.equal(target(await releaseStage(600).run(context)).queue, 'worker/failed')
})
