import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { inParallel, Notifier } from '../src/index.js'

const DAY_MS = 24 * 3600_000

test('a sleep ends with a notification, and with one that came before it, once', async () => {
  const { signal } = new AbortController()
  const notifier = new Notifier()
  const sleeping = notifier.sleep(DAY_MS, signal)
  notifier.notify()
  await sleeping
  notifier.notify()
  notifier.notify()
  await notifier.sleep(DAY_MS, signal)
  let awake = false
  const again = notifier.sleep(DAY_MS, signal).then(() => {
    awake = true
  })
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(awake, false)
  notifier.notify()
  await again
  assert.equal(getEventListeners(signal, 'abort').length, 0)
})

test('a sleep ends with the signal, and rejects with its reason even when somebody notifies as well', async () => {
  const stop = new AbortController()
  const notifier = new Notifier()
  const sleeping = notifier.sleep(DAY_MS, stop.signal)
  stop.abort(new Error('enough'))
  notifier.notify()
  await assert.rejects(sleeping, /enough/)
  await assert.rejects(notifier.sleep(0, stop.signal), /enough/)
  notifier.notify()
  await assert.rejects(notifier.sleep(0, stop.signal), /enough/)
})

test('a sleep of no possible length is refused', async () => {
  await assert.rejects(new Notifier().sleep(-1, new AbortController().signal), RangeError)
})

test('work in parallel resolves when all items are done', async () => {
  const taken: number[] = []
  await inParallel([1, 2, 3], 2, async item => void taken.push(item))
  assert.deepEqual(taken, [1, 2, 3])
})

test('work in parallel has at most so many items in hand, and takes none after a failure', async () => {
  const taken: number[] = []
  let running = 0
  let most = 0
  const work = async (item: number) => {
    taken.push(item)
    running += 1
    most = Math.max(most, running)
    await new Promise(resolve => setImmediate(resolve))
    running -= 1
    if (item === 3) throw new Error('the third')
  }
  await assert.rejects(inParallel([1, 2, 3, 4, 5, 6, 7], 2, work), /the third/)
  assert.equal(most, 2)
  assert.equal(running, 0)
  assert(taken.length <= 5, `${taken}`)
})
