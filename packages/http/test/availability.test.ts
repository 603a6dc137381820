import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { describe, test } from 'node:test'
import { fakeClock } from '@cuckoo-distributed/testing'
import type { BackOff } from '@cuckoo-distributed/wait'
import { Availability, NetworkError, NotJsonError, ServerAwayError, StatusError } from '../src/index.js'

const { signal } = new AbortController()
const line = { method: 'GET', url: 'http://h/' }
const outage = new NetworkError(line, false, new Error('refused'))

function statusError(status: number, retryAfterMs?: number): StatusError {
  return new StatusError(line, { status, retryAfterMs, location: undefined, excerpt: '' })
}

/** Waits of no length that count how often they were asked for since the last reset. */
function countingBackOff(): BackOff & { readonly rounds: number[] } {
  const rounds = [0]
  return {
    rounds,
    next() {
      rounds.push((rounds.pop() ?? 0) + 1)
      return 0
    },
    reset: () => void rounds.push(0),
  }
}

/** Throws each of `errors` once, then returns 'answer'. */
function failing(errors: readonly unknown[]) {
  const left = [...errors]
  const fn = async () => {
    fn.calls += 1
    if (left.length > 0) throw left.shift()
    return 'answer'
  }
  fn.calls = 0
  return fn
}

describe('patiently', () => {
  test('a call that is answered needs no probe', async () => {
    const probe = failing([])
    assert.equal(await new Availability({ probe }).patiently(signal, failing([])), 'answer')
    assert.equal(probe.calls, 0)
  })

  for (const error of [outage, statusError(503), statusError(429)]) {
    test(`${error.message} is waited for while the control call fails as well, with a probe before the next call`, async () => {
      const asked = error instanceof StatusError && error.status === 429 ? 0 : 1
      const probe = failing([outage, outage].slice(1 - asked))
      const call = failing([error])
      const availability = new Availability({ probe, backOff: countingBackOff() })
      assert.equal(await availability.patiently(signal, call), 'answer')
      assert.deepEqual([probe.calls, call.calls], [2 + asked, 2])
    })
  }

  for (const error of [statusError(404), statusError(401), new Error('bug')]) {
    test(`${error.name} (${error.message}) of a call is thrown at once`, async () => {
      const probe = failing([])
      const availability = new Availability({ probe })
      await assert.rejects(availability.patiently(signal, failing([error])), (e: unknown) => e === error)
      assert.equal(probe.calls, 0)
    })
  }

  for (const error of [outage, statusError(500), new NotJsonError(line, { status: 200, excerpt: '' })]) {
    test(`${error.message} is the item's own after two tries with a control call that succeeds before and after the last`, async () => {
      const probe = failing([])
      const call = failing([error, error, error])
      const availability = new Availability({ probe, backOff: countingBackOff() })
      await assert.rejects(availability.patiently(signal, call), (e: unknown) => e === error)
      assert.deepEqual([probe.calls, call.calls], [2, 2])
      assert.equal(availability.isDown, false)
    })

    test(`${error.message} is the item's own at once where the server has just answered`, async () => {
      const probe = failing([])
      const call = failing([error])
      const availability = new Availability({ probe, backOff: countingBackOff() })
      await availability.patiently(signal, failing([]))
      await assert.rejects(availability.patiently(signal, call), (e: unknown) => e === error)
      assert.deepEqual([probe.calls, call.calls], [1, 1])
    })
  }

  test('a success before an outage is no proof after it', async () => {
    const availability = new Availability({ probe: failing([outage]), backOff: countingBackOff() })
    const call = failing([outage, outage])
    await availability.patiently(signal, failing([]))
    assert.equal(await availability.patiently(signal, call), 'answer')
    assert.equal(call.calls, 3)
  })

  test('a call may have a control call of its own, and its refusal proves that the server is there', async () => {
    const probe = failing([])
    const control = failing([statusError(401)])
    const availability = new Availability({ probe, backOff: countingBackOff() })
    await availability.patiently(signal, failing([]))
    await assert.rejects(availability.patiently(signal, failing([outage]), control), (e: unknown) => e === outage)
    assert.deepEqual([probe.calls, control.calls], [0, 1])
  })

  test('waits keep growing while probes succeed but calls fail, and start again after a call that is answered', async () => {
    const backOff = countingBackOff()
    const availability = new Availability({ probe: failing([]), backOff })
    const control = failing([outage, outage, outage, outage])
    await availability.patiently(signal, failing([outage, outage, outage]), control)
    await availability.patiently(signal, failing([outage]), control)
    assert.deepEqual(backOff.rounds, [3, 1, 0])
  })

  test('an attempt does not wait for a server that is away', async () => {
    const availability = new Availability({ probe: failing([outage]), backOff: countingBackOff() })
    const attempt = availability.attempt(signal, failing([outage]))
    await assert.rejects(attempt, (e: unknown) => e instanceof ServerAwayError && e.cause === outage)
    await assert.rejects(attempt, { message: outage.message })
    assert.equal(availability.isDown, true)
  })

  test('a refusal is an answer, as is whatever was doubtful until the control call; a fault of the caller is none', async () => {
    const isWellAfter = async (error: Error) => {
      const availability = new Availability({ probe: failing([]), backOff: countingBackOff() })
      await assert.rejects(availability.attempt(signal, failing([error, error])), (e: unknown) => e === error)
      await availability.attempt(signal, failing([error])).catch(() => undefined)
      const probe = failing([])
      await availability.isAway(outage, signal, probe)
      return availability.isWell
    }
    assert.equal(await isWellAfter(statusError(404)), true)
    assert.equal(await isWellAfter(Object.assign(new Error('a word of the client'), { fault: 'doubtful' })), true)
    assert.equal(await isWellAfter(new Error('bug')), false)
  })

  test('a call that is doubtful is repeated after a wait, which an abort ends', async () => {
    const controller = new AbortController()
    const availability = new Availability({ probe: failing([]), backOff: { next: () => 3_600_000, reset: () => {} } })
    const call = failing([outage])
    const attempt = availability.attempt(controller.signal, call)
    for (let turn = 0; turn < 20; turn += 1) await new Promise(resolve => setImmediate(resolve))
    assert.equal(call.calls, 1)
    controller.abort(new Error('enough'))
    await assert.rejects(attempt, /enough/)
  })

  test('a server that asks for patience is not obeyed for more than five minutes, and only once', async t => {
    const clock = fakeClock(t)
    const probe = failing([outage])
    const availability = new Availability({ probe, backOff: { next: () => 1000, reset: () => {} } })
    const waiting = availability.patiently(signal, failing([statusError(429, 30 * 24 * 3_600_000)]))
    await clock.pass(299_999)
    assert.equal(probe.calls, 0)
    await clock.pass(1)
    assert.equal(probe.calls, 1)
    await clock.pass(1000)
    assert.equal(await waiting, 'answer')
  })

  test('a change of state is told once, however often probes and calls fail in between', async () => {
    const changes: unknown[] = []
    const onChange = (state: string, error: unknown) => changes.push([state, error])
    const availability = new Availability({
      probe: failing([outage, outage, outage]),
      backOff: countingBackOff(),
      onChange,
    })
    const control = failing([outage, outage, outage])
    await availability.patiently(signal, failing([outage, statusError(502), outage]), control)
    await availability.patiently(signal, failing([]))
    assert.deepEqual(changes, [
      ['down', outage],
      ['up', undefined],
    ])
  })

  test('Retry-After lengthens the wait before the next probe', async () => {
    const probe = failing([])
    const controller = new AbortController()
    const availability = new Availability({ probe, backOff: countingBackOff() })
    const waiting = availability.patiently(controller.signal, failing([statusError(429, 3_600_000)]))
    for (let i = 0; i < 100; i += 1) await new Promise(resolve => setImmediate(resolve))
    assert.equal(probe.calls, 0)
    controller.abort(new Error('enough'))
    await assert.rejects(waiting, /enough/)
  })

  test('an abort during a call ends it with the reason, whatever the call throws, and asks nobody', async () => {
    for (const error of [outage, statusError(404), new Error('bug')]) {
      const controller = new AbortController()
      const probe = failing([])
      const call = async () => {
        controller.abort(new Error('stop'))
        throw error
      }
      await assert.rejects(new Availability({ probe }).patiently(controller.signal, call), /stop/)
      assert.equal(probe.calls, 0)
    }
  })
})

describe('probing', () => {
  test('one prober serves all who wait', async () => {
    const probe = failing([outage, outage])
    const availability = new Availability({ probe, backOff: countingBackOff() })
    availability.reportDown(outage)
    await Promise.all([1, 2, 3, 4].map(() => availability.whenUp(signal)))
    assert.equal(probe.calls, 3)
  })

  test('a probe comes when it is due, although nobody waits as long as that', async () => {
    const probe = failing([])
    const availability = new Availability({ probe, backOff: { next: () => 60, reset: () => undefined } })
    availability.reportDown(outage)
    const tooShort = async () =>
      availability.whenUp(AbortSignal.timeout(10)).then(
        () => true,
        () => false,
      )
    let tries = 1
    while (!(await tooShort())) assert.ok(++tries < 200, 'nobody was ever told')
    assert.equal(probe.calls, 1)
  })

  test('any other answer to a probe means that the server is there', async () => {
    const probe = failing([statusError(401)])
    const availability = new Availability({ probe, backOff: countingBackOff() })
    availability.reportDown(outage)
    await availability.whenUp(signal)
    assert.equal(probe.calls, 1)
  })

  test('a probe that is broken rejects those who wait', async () => {
    const availability = new Availability({ probe: failing([new TypeError('bug')]), backOff: countingBackOff() })
    availability.reportDown(outage)
    const waiting = [availability.whenUp(signal), availability.whenUp(signal)]
    for (const result of await Promise.allSettled(waiting)) assert.match(String(Object(result).reason), /bug/)
  })

  test('it stops when nobody waits any more, and starts again for the next who does', async () => {
    const probes: AbortSignal[] = []
    const probe = (probeSignal: AbortSignal) => {
      probes.push(probeSignal)
      return probes.length === 1
        ? new Promise((_, reject) => probeSignal.addEventListener('abort', () => reject(probeSignal.reason)))
        : Promise.resolve()
    }
    const availability = new Availability({ probe, backOff: countingBackOff() })
    availability.reportDown(outage)
    const first = new AbortController()
    const second = new AbortController()
    const waiting = [availability.whenUp(first.signal), availability.whenUp(second.signal)]
    while (probes.length === 0) await new Promise(resolve => setImmediate(resolve))
    first.abort(new Error('first'))
    await assert.rejects(Promise.any([waiting[0]]), AggregateError)
    assert.equal(probes[0]?.aborted, false)
    second.abort(new Error('second'))
    await assert.rejects(Promise.any([waiting[1]]), AggregateError)
    assert.equal(probes[0]?.aborted, true)
    await availability.whenUp(signal)
    assert.equal(probes.length, 2)
    assert.equal(getEventListeners(signal, 'abort').length, 0)
  })
})

test('a server is taken to be well for 30 s, or as long as is said, after each answer', async t => {
  const clock = fakeClock(t)
  for (const [freshMs, options] of [
    [30_000, {}],
    [5000, { freshMs: () => 5000 }],
  ] as const) {
    const availability = new Availability({ probe: failing([]), ...options })
    await availability.attempt(signal, failing([]))
    await clock.pass(freshMs - 1)
    assert.equal(availability.isWell, true)
    await clock.pass(1)
    assert.equal(availability.isWell, false)
    await availability.whenWell(signal)
    assert.equal(availability.isWell, true)
  }
})

describe('isFailing', () => {
  async function well(fault: Error) {
    const availability = new Availability({ probe: failing([]), backOff: countingBackOff() })
    await availability.whenWell(signal)
    const fail = async (times: number) => {
      for (let i = 0; i < times; i += 1) await assert.rejects(availability.attempt(signal, failing([fault])))
    }
    return { availability, fail }
  }

  for (const error of [outage, statusError(500)]) {
    test(`three items in a row that end in "${error.message}" while the control call succeeds, until one is answered`, async () => {
      const { availability, fail } = await well(error)
      await fail(2)
      assert.equal(availability.isFailing, false)
      await fail(1)
      assert.equal(availability.isFailing, true)
      await availability.attempt(signal, failing([]))
      assert.equal(availability.isFailing, false)
      await fail(2)
      assert.equal(availability.isFailing, false)
    })
  }

  test('refusals say what is wrong, and are none of it', async () => {
    const { availability, fail } = await well(statusError(404))
    await fail(5)
    assert.equal(availability.isFailing, false)
  })
})

describe('whenWell', () => {
  test('the answer to its probe proves that the server is there, unless it was away before', async () => {
    const probe = failing([])
    const availability = new Availability({ probe, backOff: countingBackOff() })
    await availability.whenWell(signal)
    const call = failing([outage, outage])
    await assert.rejects(availability.attempt(signal, call), (e: unknown) => e === outage)
    assert.deepEqual([probe.calls, call.calls], [2, 1])
    availability.reportDown(outage)
    await availability.whenWell(signal)
    const next = failing([outage, outage])
    await assert.rejects(availability.attempt(signal, next), (e: unknown) => e === outage)
    assert.equal(next.calls, 2)
  })

  test('asks a server that was not heard from, until it answers, and nobody asks again', async () => {
    const probe = failing([outage, outage])
    const backOff = countingBackOff()
    const availability = new Availability({ probe, backOff })
    assert.equal(availability.isWell, false)
    await availability.whenWell(signal)
    assert.equal(probe.calls, 3)
    assert.deepEqual(backOff.rounds, [2])
    assert.equal(availability.isWell, true)
    await availability.whenWell(signal)
    assert.equal(probe.calls, 3)
    availability.reportDown(outage)
    assert.equal(availability.isWell, false)
  })

  test('a call that was answered is as good as a probe, and so is a refusal', async () => {
    const probe = failing([])
    const availability = new Availability({ probe })
    await availability.attempt(signal, failing([]))
    await availability.whenWell(signal)
    assert.equal(probe.calls, 0)
    const refusing = new Availability({ probe: failing([statusError(401)]) })
    await refusing.whenWell(signal)
    assert.ok(refusing.isWell)
  })
})
