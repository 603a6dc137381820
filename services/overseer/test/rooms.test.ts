import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SandboxRoom } from '@cuckoo-distributed/core'
import { Rooms, roomsAt } from '../src/journal/rooms.js'

const NOW = 1_800_000_000_000
const MINUTE = 60_000

function scene() {
  const rooms = new Rooms()
  let seq = 0
  const hear = (event: string, instance: string, more: object = {}, at = NOW) => {
    seq += 1
    rooms.add({ at, service: 'feed_cuckoo', instance, seq, event, ...more })
  }
  const room = (instance: string, sandbox: string, figures: Partial<SandboxRoom>, at?: number) =>
    hear('room', instance, { sandbox, room: { state: 'room', maxPending: 5, ...figures } }, at)
  const states = () => roomsAt(NOW, rooms.told).map(({ sandbox, state, pending }) => [sandbox, state, pending])
  return { rooms, hear, room, states }
}

test('of each sandbox the newest status of all who feed it', () => {
  const { room, states, hear } = scene()
  room('a', 'http://two', { state: 'full', pending: 5, asOf: NOW - 2 })
  room('b', 'http://two', { pending: 4, asOf: NOW - 1 })
  room('c', 'http://two', { state: 'unknown' })
  room('a', 'http://one', { pending: 1, asOf: NOW - 9 })
  room('a', 'http://one', { pending: 2, asOf: NOW - 3 })
  hear('received', 'a', { sandbox: 'http://other' })
  assert.deepEqual(states(), [
    ['http://one', 'room', 2],
    ['http://two', 'room', 4],
  ])
})

test('an old status is not believed, a feeder that has stopped is forgotten, and one that is silent for a day', () => {
  const { room, states, hear, rooms } = scene()
  room('a', 'http://old', { pending: 1, asOf: NOW - 6 * MINUTE })
  room('b', 'http://stopped', { pending: 1, asOf: NOW })
  hear('stopped', 'b', { queue: 'feed' })
  room('c', 'http://gone', { pending: 1, asOf: NOW }, NOW - 25 * 60 * MINUTE)
  assert.deepEqual(states(), [['http://old', 'unknown', 1]])
  for (let number = 0; number < 1000; number += 1) room(`i${number}`, 'http://many', {})
  assert.ok(rooms.told.length <= 200, 'anybody may tell anything')
})
