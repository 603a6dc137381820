import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { SandboxRoom, Telemetry } from '@cuckoo-distributed/core'
import { waitFor } from '@cuckoo-distributed/testing'
import { RoomEvents, type RoomEventTimes } from '../src/room-events.js'

/** Longer than any test. */
const NEVER = 3_600_000

function setUp(t: TestContext, times: Partial<RoomEventTimes>) {
  const told: (SandboxRoom | undefined)[] = []
  const telemetry: Telemetry = {
    happened({ cuckoo }, { event, room }) {
      assert.deepEqual([cuckoo, event], ['http://sandbox', 'room'])
      told.push(room)
    },
  }
  const now: { room: SandboxRoom } = { room: { state: 'unknown', maxPending: 3 } }
  const options = { telemetry, sandbox: 'http://sandbox', figures: () => now.room }
  const events = new RoomEvents({ ...options, times: { state: 1, figures: NEVER, same: NEVER, ...times } })
  t.after(() => events[Symbol.dispose]())
  const sets = (room: SandboxRoom) => {
    now.room = room
    events.changed()
  }
  const tells = (count: number) => waitFor(() => told.length === count, { describe: `${count} events` })
  return { told, events, sets, tells }
}

const ROOM: SandboxRoom = { state: 'room', maxPending: 3, pending: 1, freeBytes: 9, asOf: 1 }

test('another state is told, and figures that differ wait for their turn', async t => {
  const { told, sets, tells } = setUp(t, {})
  await tells(1)
  sets(ROOM)
  await tells(2)
  for (let asOf = 2; asOf < 100; asOf += 1) sets({ ...ROOM, pending: asOf % 3, asOf })
  sets({ ...ROOM, state: 'full', pending: 3, asOf: 100 })
  await tells(3)
  assert.deepEqual(told, [{ state: 'unknown', maxPending: 3 }, ROOM, { ...ROOM, state: 'full', pending: 3, asOf: 100 }])
})

test('other figures are told without another change, the last of them', async t => {
  const { told, sets, tells } = setUp(t, { figures: 30 })
  await tells(1)
  sets(ROOM)
  await tells(2)
  sets({ ...ROOM, pending: 0 })
  sets({ ...ROOM, pending: 2 })
  await tells(3)
  assert.equal(told.at(-1)?.pending, 2)
})

test('what stays the same is told again, until the end', async t => {
  const { told, events, sets } = setUp(t, { same: 1 })
  await waitFor(() => told.length > 3, { describe: 'events' })
  events[Symbol.dispose]()
  const before = told.length
  sets(ROOM)
  const other = setUp(t, { same: 1 })
  await waitFor(() => other.told.length > 5, { describe: 'as many events as it would have told' })
  assert.equal(told.length, before)
})
