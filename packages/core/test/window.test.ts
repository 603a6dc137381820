import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Window } from '../src/broker/window.js'

const window = (options: Partial<ConstructorParameters<typeof Window>[0]> = {}) =>
  new Window({ prefetch: 100, bytes: 1000, largest: 400, ...options })

test('before any size is known the largest is expected', () => {
  assert.equal(window().room, 2)
  assert.equal(window({ largest: 2000 }).room, 1, 'one that is larger than all that may be in hand is taken alone')
  assert.equal(window({ largest: 1 }).room, 100)
})

test('bytes in hand are bounded, up to the last one', () => {
  const sizes = window()
  assert.ok(sizes.take(600))
  assert.ok(!sizes.take(401))
  assert.ok(sizes.take(400))
  assert.ok(!sizes.take(1))
  sizes.leave(600)
  assert.ok(sizes.take(600))
})

test('a message that is larger than all that may be in hand is taken alone', () => {
  const sizes = window()
  assert.ok(sizes.take(5000))
  assert.ok(!sizes.take(1))
  assert.equal(sizes.room, 0)
  sizes.leave(5000)
  assert.equal(sizes.room, 1)
})

test('the first small message opens the whole prefetch', () => {
  const sizes = window()
  assert.ok(sizes.take(1))
  assert.ok(sizes.isOff(2))
  assert.equal(sizes.room, 99)
  assert.ok(!sizes.isOff(99))
})

test('after a large message the prefetch grows by doubling while messages are small, up to the configured one', () => {
  const sizes = window()
  assert.ok(sizes.take(400))
  sizes.leave(400)
  let prefetch = sizes.room
  const steps = [prefetch]
  for (let i = 0; i < 1000; i += 1) {
    assert.ok(sizes.take(1))
    sizes.leave(1)
    if (!sizes.isOff(prefetch)) continue
    prefetch = sizes.room
    steps.push(prefetch)
  }
  assert.deepEqual(steps, [2, 4, 8, 16, 32, 64])
  assert.equal(sizes.room, 100)
})

test('the prefetch shrinks at once for larger messages, and counts what is in hand', () => {
  const sizes = window({ largest: 10 })
  assert.equal(sizes.room, 100)
  assert.ok(sizes.take(250))
  assert.ok(sizes.isOff(100))
  assert.equal(sizes.room, 3)
  assert.ok(!sizes.isOff(3))
  assert.ok(!sizes.isOff(4))
  assert.ok(sizes.isOff(5))
})

test('while there is no room nothing is consumed, until something has left', () => {
  const sizes = window()
  assert.ok(sizes.take(500))
  assert.ok(!sizes.isOff(1))
  assert.ok(!sizes.take(501))
  assert.ok(sizes.isOff(1), 'more would come at once')
  assert.ok(!sizes.isOff(0))
  sizes.leave(500)
  assert.ok(sizes.isOff(0))
  assert.ok(!sizes.isOff(1))
})

test('where sizes do not count the prefetch is the configured one, whatever is in hand', () => {
  const sizes = window({ bytes: Number.POSITIVE_INFINITY })
  for (let i = 0; i < 100; i += 1) assert.ok(sizes.take(1e9))
  assert.equal(sizes.room, 100)
  assert.ok(!sizes.isOff(100))
  assert.ok(sizes.isOff(0))
})
