import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type FakeClock, fakeClock } from '@cuckoo-distributed/testing'
import { Bulkhead, type Reachable, StopRequested } from '../src/index.js'

const forever = new AbortController().signal

/** A server that is away until `comeBack`. */
function awayServer() {
  let back = () => {}
  const promise = new Promise<void>(resolve => {
    back = resolve
  })
  const server = {
    isWell: false,
    asked: 0,
    asking: forever,
    whenWell(signal: AbortSignal): Promise<void> {
      server.asked += 1
      server.asking = signal
      return new Promise((whenBack, reject) => {
        void promise.then(whenBack)
        signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      })
    },
    comeBack() {
      server.isWell = true
      back()
    },
  }
  return server satisfies Reachable
}

/** How many of these are decided, and how, after all that can happen by itself has happened. */
async function states(clock: FakeClock, results: readonly Promise<boolean>[]): Promise<string> {
  await clock.pass(0)
  await afterGrace(clock)
  const state = (result: Promise<boolean>) => Promise.race([result.then(String), Promise.resolve().then(() => 'waits')])
  return (await Promise.all(results.map(state))).join(' ')
}

/** Longer than the grace, and than the passes that these tests allow at once. */
async function afterGrace(clock: FakeClock): Promise<void> {
  for (let step = 0; step < 8; step += 1) await clock.pass(50)
}

describe('Bulkhead', () => {
  test('a server that is well is not asked', async () => {
    const server = { ...awayServer(), isWell: true }
    assert.equal(await new Bulkhead({ prefetch: 1, stop: forever }).ready(server, forever), true)
    assert.equal(server.asked, 0)
  })

  test('half the prefetch waits for a server that is away, the rest makes room, and one watch asks for all', async t => {
    const clock = fakeClock(t)
    const bulkhead = new Bulkhead({ prefetch: 5, stop: forever })
    const server = awayServer()
    const results = Array.from({ length: 5 }, () => bulkhead.ready(server, forever))
    assert.equal(await states(clock, results), 'waits waits false false false')
    assert.equal(server.asked, 1)
    server.comeBack()
    assert.equal(await states(clock, results.slice(0, 2)), 'true true')
  })

  test('half the prefetch is for all servers together, and each is asked all the same', async t => {
    const clock = fakeClock(t)
    const bulkhead = new Bulkhead({ prefetch: 4, stop: forever })
    const [one, other] = [awayServer(), awayServer()]
    const results = [one, one, other, other].map(server => bulkhead.ready(server, forever))
    assert.equal(await states(clock, results), 'waits waits false false')
    assert.equal(other.asked, 1)
    other.comeBack()
    assert.equal(await bulkhead.ready(other, forever), true)
  })

  test('what stops waiting leaves its part of the prefetch to others', async t => {
    const clock = fakeClock(t)
    const bulkhead = new Bulkhead({ prefetch: 2, stop: forever })
    const server = awayServer()
    const held = new AbortController()
    const first = bulkhead.ready(server, held.signal)
    held.abort(new Error('HoldLimit'))
    await assert.rejects(first, /HoldLimit/)
    assert.equal(await states(clock, [bulkhead.ready(server, forever)]), 'waits')
  })

  test('no more pass than the rate allows, and one that waits for its turn notices that the server is back', async t => {
    const clock = fakeClock(t)
    const bulkhead = new Bulkhead({ prefetch: 1, stop: forever, passes: { atOnce: 2, perSecond: 1 / 3600 } })
    const server = awayServer()
    const results = Array.from({ length: 4 }, () => bulkhead.ready(server, forever))
    assert.equal(await states(clock, results), 'false false waits waits')
    server.comeBack()
    assert.equal(await states(clock, results), 'false false true true')
  })

  test('a server that answers within the grace is waited for by everybody', async () => {
    const bulkhead = new Bulkhead({ prefetch: 2, stop: forever })
    const server = awayServer()
    const results = Array.from({ length: 10 }, () => bulkhead.ready(server, forever))
    server.comeBack()
    assert.deepEqual(new Set(await Promise.all(results)), new Set([true]))
  })

  test('of a server that fails at all its items one message is tried, the next wait for their turn, the rest makes room', async t => {
    const clock = fakeClock(t)
    const bulkhead = new Bulkhead({ prefetch: 4, stop: forever })
    const server = { ...awayServer(), isWell: true, isFailing: true }
    assert.equal(await bulkhead.ready(server, forever), true)
    const order: string[] = []
    const results = ['b', 'c', 'd', 'e'].map(async name => {
      order.push(`${name} ${await bulkhead.ready(server, forever)}`)
    })
    assert.equal(await bulkhead.ready({ ...awayServer(), isWell: true }, forever), true)
    assert.deepEqual(order, [], 'a server that is well is not waited for')
    await afterGrace(clock)
    await Promise.all(results)
    assert.deepEqual(order, ['d false', 'e false', 'b true', 'c true'])
  })

  test('a prefetch of 1 tries a server that is failing, too', async t => {
    const clock = fakeClock(t)
    const bulkhead = new Bulkhead({ prefetch: 1, stop: forever })
    const server = { ...awayServer(), isWell: true, isFailing: true }
    assert.equal(await bulkhead.ready(server, forever), true)
    assert.equal(await states(clock, [bulkhead.ready(server, forever)]), 'false')
    await afterGrace(clock)
    assert.equal(await bulkhead.ready(server, forever), true)
  })

  test('a watch ends with the process, and with what is wrong with asking', async () => {
    const stop = new AbortController()
    const bulkhead = new Bulkhead({ prefetch: 2, stop: stop.signal })
    const server = awayServer()
    const result = bulkhead.ready(server, forever)
    stop.abort(new StopRequested())
    await assert.rejects(result, StopRequested)
    assert.ok(server.asking.aborted)
    const broken = { isWell: false, whenWell: () => Promise.reject(new Error('a bug')) }
    await assert.rejects(new Bulkhead({ prefetch: 2, stop: forever }).ready(broken, forever), /a bug/)
  })
})

test('a part of the prefetch is free again after each wait, however it ended', async t => {
  const clock = fakeClock(t)
  const bulkhead = new Bulkhead({ prefetch: 2, stop: forever })
  for (let round = 0; round < 3; round += 1) {
    const server = awayServer()
    const ready = bulkhead.ready(server, forever)
    await clock.pass(10_000)
    server.comeBack()
    assert.equal(await ready, true)
  }
  const failing = bulkhead.until(() => Promise.reject(new Error('no')), forever)
  await assert.rejects(failing, /no/)
  assert.equal(await bulkhead.until(async () => {}, forever), true)
  const over = AbortSignal.abort(new Error('over'))
  await assert.rejects(
    bulkhead.until(() => assert.fail('not begun'), over),
    /over/,
  )
  await assert.rejects(bulkhead.ready({ isWell: true, whenWell: () => assert.fail('it is well') }, over), /over/)
})

test('after the burst messages pass at the rate; time without any earns no more than the burst', async t => {
  const clock = fakeClock(t)
  const bulkhead = new Bulkhead({ prefetch: 1, stop: forever, passes: { atOnce: 2, perSecond: 10 } })
  const server = awayServer()
  let passed = 0
  const pass = () => void bulkhead.ready(server, forever).then(() => passed++)
  for (const restMs of [0, 60_000]) {
    await clock.pass(restMs)
    passed = 0
    for (let n = 0; n < 5; n += 1) pass()
    await clock.pass(restMs === 0 ? 199 : 0)
    if (restMs === 0) {
      assert.equal(passed, 0, 'a server that is well says so within 200 ms')
      await clock.pass(1)
    }
    await clock.pass(0)
    assert.equal(passed, 2)
    await clock.pass(99)
    assert.equal(passed, 2)
    await clock.pass(1)
    assert.equal(passed, 3)
    await clock.pass(1000)
    assert.equal(passed, 5)
  }
})

test('who makes room asks its server no longer', async t => {
  const clock = fakeClock(t)
  const bulkhead = new Bulkhead({ prefetch: 1, stop: forever })
  let asked: AbortSignal | undefined
  const made = bulkhead.until(signal => {
    asked = signal
    return new Promise(() => {})
  }, forever)
  await clock.pass(1)
  await clock.pass(1)
  assert.equal(await made, false)
  assert.equal(asked?.aborted, true)
})

test('a server that no message has asked for in ten minutes is not asked any more; one that is waited for is', async t => {
  const clock = fakeClock(t)
  const bulkhead = new Bulkhead({ prefetch: 4, stop: forever })
  const [left, wanted] = [awayServer(), awayServer()]
  const held = new AbortController()
  const waits = [bulkhead.ready(left, held.signal), bulkhead.ready(wanted, forever)]
  held.abort(new Error('HoldLimit'))
  await assert.rejects(waits[0] ?? assert.fail(), /HoldLimit/)
  await clock.pass(599_999)
  assert.equal(left.asking.aborted, false)
  await clock.pass(1)
  assert.deepEqual([left.asking.aborted, wanted.asking.aborted], [true, false])
  await clock.pass(3_600_000)
  assert.equal(wanted.asking.aborted, false)
  wanted.comeBack()
  assert.equal(await waits[1], true)
})
