import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Semaphore } from '@cuckoo-distributed/wait'
import { Reservation } from '../src/reservation.js'

const never = new AbortController().signal
const claim = { due: 1, bytes: 10 }

test('room is kept for the message that was sent for, and for no other', async () => {
  const copies = new Semaphore(10)
  const room = new Reservation(copies, 60_000)
  assert.ok(!room.isFor(claim))
  await room.make(claim, 0, never)
  assert.ok(room.isFor(claim))
  assert.ok(!room.isFor({ ...claim, due: 2 }))
  assert.ok(!room.isFor({ ...claim, bytes: 9 }))
  const drop = await room.use(10, never)
  assert.ok(!room.isFor(claim))
  drop()
  await copies.acquire(never, 10)
})

test('what is sent for next ends the room of what never came', async () => {
  const room = new Reservation(new Semaphore(10), 60_000)
  await room.make(claim, 0, never)
  await room.make({ due: 2, bytes: 10 }, 0, never)
  assert.ok(!room.isFor(claim))
})

test('a message that comes too late waits for room with what it brought, and is not sent for once more', async t => {
  const alive = setInterval(() => {}, 60_000) // the timer of the room keeps no process alive
  t.after(() => clearInterval(alive))
  const copies = new Semaphore(10)
  const room = new Reservation(copies, 1)
  await room.make(claim, 0, never)
  const dropOther = await copies.acquire(never, 10) // only when the room is given up
  assert.ok(room.isFor(claim))
  let isThere = false
  const used = room.use(10, never).then(drop => {
    isThere = true
    return drop
  })
  await new Promise(setImmediate)
  assert.equal(isThere, false)
  dropOther()
  await used
})

test('a wait for room ends with the reason of the signal', async () => {
  const copies = new Semaphore(10)
  await copies.acquire(never, 10)
  const stop = new AbortController()
  const made = new Reservation(copies).make(claim, 0, stop.signal)
  stop.abort(new Error('stopping'))
  await assert.rejects(made, /stopping/)
})
