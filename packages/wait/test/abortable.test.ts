import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { abortable } from '../src/index.js'

/** Yields `values`, then hangs if told so; tells whether it was asked to stop. */
function source(values: readonly number[], { hangs = false } = {}) {
  const left = [...values]
  const state = { returned: 0, asked: 0 }
  const iterator: AsyncIterator<number> = {
    next: () => {
      state.asked += 1
      const value = left.shift()
      if (value !== undefined) return Promise.resolve({ value, done: false })
      return hangs ? new Promise(() => undefined) : Promise.resolve({ value: undefined, done: true })
    },
    return: () => {
      state.returned += 1
      return Promise.resolve({ value: undefined, done: true })
    },
  }
  return { state, iterable: { [Symbol.asyncIterator]: () => iterator } }
}

async function collect(values: AsyncIterable<number>): Promise<number[]> {
  const collected: number[] = []
  for await (const value of values) collected.push(value)
  return collected
}

test('it yields what the source yields, with a signal and without, and leaves no listener', async () => {
  const { signal } = new AbortController()
  const finished = source([1, 2, 3])
  assert.deepEqual(await collect(abortable(finished.iterable, signal)), [1, 2, 3])
  assert.equal(finished.state.returned, 0, 'a source that has ended is not told to stop')
  assert.equal(getEventListeners(signal, 'abort').length, 0)
  assert.deepEqual(await collect(abortable(source([4]).iterable, undefined)), [4])
})

test('an abort ends the wait for a source that hangs, and the source is told to stop', async () => {
  const controller = new AbortController()
  const hanging = source([1], { hangs: true })
  const collected = collect(abortable(hanging.iterable, controller.signal))
  while (hanging.state.asked < 2) await new Promise(resolve => setImmediate(resolve))
  controller.abort(new Error('stop'))
  await assert.rejects(collected, /stop/)
  assert.equal(hanging.state.returned, 1)
  assert.equal(getEventListeners(controller.signal, 'abort').length, 0)
})

test('after an abort the source is not asked any more, whatever it has', async () => {
  const aborted = source([1, 2])
  await assert.rejects(collect(abortable(aborted.iterable, AbortSignal.abort(new Error('before')))), /before/)
  assert.equal(aborted.state.asked, 0)
})

test('whoever leaves the loop early stops the source', async () => {
  const left = source([1, 2, 3])
  for await (const value of abortable(left.iterable, undefined)) if (value === 1) break
  assert.equal(left.state.returned, 1)
})

test('the error of a source is passed on, and a source that fails at stopping as well is no news', async () => {
  const broken: AsyncIterable<number> = {
    [Symbol.asyncIterator]: () => ({
      next: () => Promise.reject(new Error('broken')),
      return: () => Promise.reject(new Error('still broken')),
    }),
  }
  await assert.rejects(collect(abortable(broken, undefined)), /^Error: broken$/)
})
