import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { RowStore, submitRows } from '../src/index.js'
import { OK, type StubAnswer, type StubRequest, startStub } from './stub.js'

const never = new AbortController().signal
const REFUSED: StubAnswer = { status: 500, body: { error_message: 'Sorry' } }
const TOO_LARGE: StubAnswer = { status: 413, body: '<h1>413</h1>' }

describe('submitRows', () => {
  it('posts every row once, in order, and tells how far it is', async t => {
    const crits = await startCrits(t)
    const confirmed: number[] = []
    assert.equal(await crits.submit(2500, { onConfirmed: rows => confirmed.push(rows) }), 0)
    assert.deepEqual(crits.stored, names(0, 2500))
    assert.equal(confirmed.at(-1), 2500)
    assert.ok(confirmed.length > 1 && confirmed.every((rows, n) => n === 0 || rows > (confirmed[n - 1] ?? 0)))
  })

  it('posts only the rows it is asked for', async t => {
    const crits = await startCrits(t)
    await crits.submit(30, { from: 10, to: 20 })
    assert.deepEqual(crits.stored, names(10, 20))
    await crits.submit(30, { from: 20, to: 20 })
    assert.deepEqual(crits.stored, names(10, 20))
  })

  it('leaves out the rows that CRITs refuses, and names them in the log', async t => {
    const crits = await startCrits(t, rows => (rows.includes('row 13') || rows.includes('row 70') ? REFUSED : OK))
    assert.equal(await crits.submit(100), 2)
    // About ten halvings around each of the two, and none of the batches is smaller for it afterwards.
    assert.ok(crits.batches <= 30, `${crits.batches} batches`)
    assert.deepEqual(
      crits.stored,
      names(0, 100).filter(name => !['row 13', 'row 70'].includes(name)),
    )
    assert.equal(
      crits.log.filter(line => line === 'warning: row of subtype file was refused (status 500) and left out').length,
      2,
    )
  })

  it('learns the size limit of a proxy', async t => {
    const crits = await startCrits(t, (_rows, request) => (request.body.length > 100_000 ? TOO_LARGE : OK))
    assert.equal(await crits.submit(2500), 0)
    assert.deepEqual(crits.stored, names(0, 2500))
    assert.ok(crits.refused <= 5, `${crits.refused} refusals`)
  })

  it('a refusal while CRITs refuses log lines, too, is not the fault of the rows', async t => {
    const crits = await startCrits(
      t,
      () => REFUSED,
      () => REFUSED,
    )
    await assert.rejects(crits.submit(1), { code: 'SERVER_AWAY' })
    assert.equal(crits.refused, 1)
  })

  it('gives up when CRITs refuses 20 rows one after another', async t => {
    let alone = 0
    const crits = await startCrits(t, rows => {
      if (rows.length === 1) alone += 1
      return REFUSED
    })
    await assert.rejects(crits.submit(200), { code: 'CRITS_RESULTS_REFUSED' })
    assert.equal(crits.stored.length, 0)
    assert.equal(alone, 20)
  })

  it('goes on after 19 refused rows, and counts anew from a row that is taken', async t => {
    const good = ['row 19', 'row 39']
    const crits = await startCrits(t, rows => (rows.every(row => good.includes(row)) ? OK : REFUSED))
    assert.equal(await crits.submit(40), 38)
    assert.deepEqual(crits.stored, good)
  })

  const unknown: readonly (readonly [string, StubAnswer])[] = [
    ['a lost answer', { drop: true }],
    ['a gateway timeout', { status: 504, body: '<h1>504</h1>' }],
    ['a bad gateway', { status: 502, body: '<h1>502</h1>' }],
    ['500 by a web server', { status: 500, body: '<h1>500</h1>' }],
  ]
  for (const [claim, answer] of unknown) {
    it(`${claim} is not answered with the same rows again`, async t => {
      let batches = 0
      const crits = await startCrits(t, () => {
        batches += 1
        return batches === 2 ? answer : OK
      })
      let done = 0
      await assert.rejects(crits.submit(2500, { onConfirmed: rows => (done = rows) }), {
        code: 'CRITS_RESULTS_UNKNOWN',
      })
      assert.equal(batches, 2)
      assert.deepEqual(crits.stored.slice(0, done), names(0, done))
      assert.ok(done > 0 && done < 2500)
    })
  }

  it('an answer that is no refusal of rows fails at once, and no row is left out', async t => {
    for (const status of [400, 415]) {
      const crits = await startCrits(t, () => ({ status, body: { error_message: 'Sorry' } }))
      await assert.rejects(crits.submit(2), { status })
      assert.deepEqual([crits.batches, crits.stored], [1, []])
    }
  })

  it('tells of a CRITs that is away, and goes on from where it was', async t => {
    let batches = 0
    let isAway = false
    const answer = () => (isAway ? { status: 503, body: 'starting' } : OK)
    const crits = await startCrits(
      t,
      () => {
        batches += 1
        isAway = batches === 2
        return answer()
      },
      answer,
    )
    let done = 0
    const onConfirmed = (rows: number) => (done = rows)
    await assert.rejects(crits.submit(2500, { onConfirmed }), { code: 'SERVER_AWAY' })
    assert.ok(done > 0)
    isAway = false
    assert.equal(await crits.submit(2500, { onConfirmed, from: done }), 0)
    assert.deepEqual(crits.stored, names(0, 2500))
  })

  it('a gateway that fails at batches only, and surely stores none, fails the message', async t => {
    const crits = await startCrits(t, () => ({ status: 503, body: 'no room' }))
    await assert.rejects(crits.submit(5), { code: 'HTTP_STATUS', status: 503 })
    assert.deepEqual(crits.stored, [])
  })

  it('stops between two batches when told so', async t => {
    const controller = new AbortController()
    const crits = await startCrits(t)
    let done = 0
    const onConfirmed = (rows: number) => {
      done = rows
      controller.abort(new Error('time is over'))
    }
    await assert.rejects(crits.submit(2500, { onConfirmed, stopSignal: controller.signal }), /time is over/)
    assert.deepEqual(crits.stored, names(0, done))
  })

  it('gets further by a batch although it was to stop before, and is not stopped after the last one', async t => {
    const crits = await startCrits(t)
    const stopSignal = AbortSignal.abort(new Error('time is over'))
    await assert.rejects(crits.submit(2500, { stopSignal }), /time is over/)
    assert.equal(crits.batches, 1)
    assert.equal(await crits.submit(1, { stopSignal }), 0)
    assert.equal(crits.batches, 2)
  })
})

/** Stores rows and log lines unless `onBatch` and `onLog` answer otherwise. */
async function startCrits(
  t: TestContext,
  onBatch: (rows: string[], request: StubRequest) => StubAnswer = () => OK,
  onLog: () => StubAnswer = () => OK,
) {
  const stored: string[] = []
  const log: string[] = []
  const crits = { stored, log, batches: 0, refused: 0, submit }
  const { client } = await startStub(t, request => {
    const { fields } = request
    if (fields.log_message !== undefined) {
      const answer = onLog()
      if (answer === OK) log.push(`${fields.log_level}: ${fields.log_message}`)
      return answer
    }
    const rows: string[] = JSON.parse(fields.result ?? '')
    crits.batches += 1
    const answer = onBatch(rows, request)
    if (answer === OK) stored.push(...rows)
    else crits.refused += 1
    return answer
  })

  function submit(rows: number, options: Partial<Parameters<typeof submitRows>[2]> = {}): Promise<number> {
    const store = new RowStore()
    for (const result of names(0, rows)) store.add({ subtype: 'file', result, fields: { text: 'x'.repeat(600) } })
    return submitRows(client, store, { onConfirmed: () => {}, stopSignal: never, forceSignal: never, ...options })
  }

  return crits
}

function names(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, n) => `row ${from + n}`)
}
