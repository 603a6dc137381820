import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { describe, test } from 'node:test'
import { delay, orAbort } from '../src/index.js'

describe('delay', () => {
  test('a delay that ends leaves no listener on the signal', async () => {
    const { signal } = new AbortController()
    await delay(1, signal)
    assert.equal(getEventListeners(signal, 'abort').length, 0)
  })

  test('an aborted delay rejects with the reason of the signal and leaves no timer', async () => {
    const before = process.getActiveResourcesInfo().filter(name => name === 'Timeout').length
    const controller = new AbortController()
    const reason = new Error('stop')
    const waiting = delay(60_000, controller.signal)
    controller.abort(reason)
    await assert.rejects(waiting, (error: unknown) => error === reason)
    assert.equal(getEventListeners(controller.signal, 'abort').length, 0)
    assert.equal(process.getActiveResourcesInfo().filter(name => name === 'Timeout').length, before)
  })

  test('a delay on an aborted signal rejects at once', async () => {
    const reason = new Error('stopped before')
    await assert.rejects(delay(60_000, AbortSignal.abort(reason)), (error: unknown) => error === reason)
  })

  test('a delay of no length and the longest one are allowed', async () => {
    await delay(0, new AbortController().signal)
    const controller = new AbortController()
    const longest = delay(2 ** 31 - 1, controller.signal)
    controller.abort(new Error('enough'))
    await assert.rejects(longest, /enough/)
  })

  for (const ms of [-1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31]) {
    test(`a delay of ${ms} is refused`, async () => {
      await assert.rejects(delay(ms, new AbortController().signal), RangeError)
    })
  }
})

describe('orAbort', () => {
  test('it settles as the promise does and leaves no listener on the signal', async () => {
    const { signal } = new AbortController()
    assert.equal(await orAbort(Promise.resolve(7), signal), 7)
    await assert.rejects(orAbort(Promise.reject(new Error('boom')), signal), /boom/)
    assert.equal(getEventListeners(signal, 'abort').length, 0)
  })

  test('an abort ends the wait for a promise that never settles', async () => {
    const controller = new AbortController()
    const reason = new Error('stop')
    const waiting = orAbort(new Promise(() => {}), controller.signal)
    controller.abort(reason)
    await assert.rejects(waiting, (error: unknown) => error === reason)
  })

  test('a promise that rejects after the abort is not an unhandled rejection', async () => {
    let rejectLate = (_error: Error) => {}
    const late = new Promise<never>((_, reject) => {
      rejectLate = reject
    })
    await assert.rejects(orAbort(late, AbortSignal.abort(new Error('stop'))), /stop/)
    rejectLate(new Error('too late'))
    await delay(1, new AbortController().signal)
  })
})
