import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { Semaphore } from '../src/index.js'

const { signal } = new AbortController()

test('never more than the given number run at a time, and all run', async () => {
  const semaphore = new Semaphore(2)
  let running = 0
  let most = 0
  const results = await Promise.all(
    [1, 2, 3, 4, 5].map(n =>
      semaphore.run(signal, async () => {
        running += 1
        most = Math.max(most, running)
        await new Promise(resolve => setImmediate(resolve))
        running -= 1
        return n
      }),
    ),
  )
  assert.deepEqual(results, [1, 2, 3, 4, 5])
  assert.equal(most, 2)
})

test('places are given out in the order in which they were asked for', async () => {
  const semaphore = new Semaphore(1)
  const order: number[] = []
  await Promise.all([1, 2, 3, 4].map(n => semaphore.run(signal, async () => void order.push(n))))
  assert.deepEqual(order, [1, 2, 3, 4])
})

test('a place given back twice is free once', async () => {
  const semaphore = new Semaphore(1)
  const release = await semaphore.acquire(signal)
  release()
  release()
  await semaphore.acquire(signal)
  const controller = new AbortController()
  const third = semaphore.acquire(controller.signal)
  controller.abort(new Error('no place'))
  await assert.rejects(third, /no place/)
})

test('an aborted wait rejects with the reason, leaves no listener and takes no place', async () => {
  const semaphore = new Semaphore(1)
  const release = await semaphore.acquire(signal)
  const controller = new AbortController()
  const aborted = semaphore.acquire(controller.signal)
  const next = semaphore.acquire(signal)
  controller.abort(new Error('stop'))
  await assert.rejects(aborted, /stop/)
  assert.equal(getEventListeners(controller.signal, 'abort').length, 0)
  release()
  const releaseNext = await next
  releaseNext()
})

test('an abort after the place was given takes nobody else out of the queue', async () => {
  const semaphore = new Semaphore(1)
  const release = await semaphore.acquire(signal)
  const controller = new AbortController()
  const second = semaphore.acquire(controller.signal)
  const third = semaphore.acquire(signal)
  release()
  const releaseSecond = await second
  controller.abort(new Error('too late to matter'))
  assert.equal(getEventListeners(controller.signal, 'abort').length, 0)
  releaseSecond()
  const releaseThird = await third
  releaseThird()
})

test('an aborted signal gets no place even when one is free', async () => {
  await assert.rejects(new Semaphore(1).acquire(AbortSignal.abort(new Error('stopped'))), /stopped/)
})

test('a function that throws gives its place back', async () => {
  const semaphore = new Semaphore(1)
  const failing = semaphore.run(signal, async () => {
    throw new Error('boom')
  })
  await assert.rejects(failing, /boom/)
  assert.equal(await semaphore.run(signal, async () => 'went on'), 'went on')
})

for (const places of [0, -1, 1.5, Number.NaN]) {
  test(`a semaphore of ${places} places is refused`, () => assert.throws(() => new Semaphore(places), RangeError))
}

test('several places are given at once or not at all, and nobody overtakes', async () => {
  const semaphore = new Semaphore(10)
  const order: string[] = []
  const ask = async (name: string, places: number, from = signal) => {
    const release = await semaphore.acquire(from, places)
    order.push(name)
    return release
  }
  const first = await ask('seven', 7)
  const second = ask('four', 4)
  const third = ask('three', 3)
  await new Promise(resolve => setImmediate(resolve))
  assert.deepEqual(order, ['seven'], 'three fit, but four were asked for before')
  first()
  const releases = await Promise.all([second, third])
  assert.deepEqual(order, ['seven', 'four', 'three'])
  for (const release of releases) release()
  await semaphore.acquire(signal, 10)
})

test('who asks for more places than there are gets all of them, alone', async () => {
  const semaphore = new Semaphore(3)
  const release = await semaphore.acquire(signal, 100)
  const controller = new AbortController()
  const next = semaphore.acquire(controller.signal)
  controller.abort(new Error('no place'))
  await assert.rejects(next, /no place/)
  release()
  release()
  await semaphore.acquire(signal, 3)
})

test('those behind a wait that is given up get what is free', async () => {
  const semaphore = new Semaphore(3)
  const release = await semaphore.acquire(signal, 2)
  const controller = new AbortController()
  const large = semaphore.acquire(controller.signal, 3)
  const small = semaphore.acquire(signal, 1)
  controller.abort(new Error('given up'))
  await assert.rejects(large, /given up/)
  const last = await small
  last()
  release()
})
