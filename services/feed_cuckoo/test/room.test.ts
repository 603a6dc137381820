import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { after, type TestContext, test } from 'node:test'
import { createLogger, Intake } from '@cuckoo-distributed/core'
import type { CuckooStatus } from '@cuckoo-distributed/sandbox-client'
import { waitFor } from '@cuckoo-distributed/testing'
import { type Place, Room, type RoomOptions } from '../src/room.js'

const log = createLogger('test', { LogFile: '', LogLevel: 'warning' })
const end = new AbortController()
after(() => end.abort())

/** A Cuckoo whose status a test sets; answers can be held back. */
class FakeCuckoo {
  pending = 0
  freeBytes: number | undefined = undefined
  freeUnit: number | undefined = undefined
  requests = 0
  error: Error | undefined
  #held: Promise<void> = Promise.resolve()

  /** Holds answers back until the function it returns is called. */
  hold(): () => void {
    let open = () => {}
    this.#held = new Promise(resolve => {
      open = resolve
    })
    return () => open()
  }

  async status(): Promise<CuckooStatus> {
    this.requests += 1
    const { pending, freeBytes, freeUnit, error } = this
    await this.#held
    if (error) throw error
    return {
      version: '1.2',
      pending,
      running: 0,
      completed: 0,
      reported: 0,
      total: pending,
      tasksKnown: true,
      freeBytes,
      ...(freeUnit !== undefined && { freeUnit }),
    }
  }
}

function setUp(t: TestContext, options: Partial<RoomOptions> = {}) {
  const cuckoo = new FakeCuckoo()
  const intake = new Intake()
  const stop = new AbortController()
  t.after(() => stop.abort())
  const room = new Room({
    status: () => cuckoo.status(),
    maxPending: 3,
    intake,
    log,
    stop: stop.signal,
    ...options,
    times: { patience: 60_000, fresh: 60_000, askAgain: 2, askAgainMax: 2, ...options.times },
  })
  return { cuckoo, intake, room, stop }
}

/** Enters many times and keeps the places that were given. */
function enterMany(room: Room, count: number) {
  const places: Place[] = []
  let refused = 0
  for (let i = 0; i < count; i += 1) {
    room.enter(end.signal).then(
      place => {
        if (place) places.push(place)
        else refused += 1
      },
      (error: unknown) => assert.ok(end.signal.aborted, String(error)),
    )
  }
  return { places, refused: () => refused }
}

test('one status request serves all who wait', async t => {
  const { cuckoo, room } = setUp(t)
  const { places } = enterMany(room, 3)
  await waitFor(() => places.length === 3, { describe: 'three places' })
  assert.equal(cuckoo.requests, 1)
})

test('no more uploads are let in than MaxPending leaves, however many wait', async t => {
  const { cuckoo, room } = setUp(t)
  cuckoo.pending = 1
  const { places } = enterMany(room, 50)
  await waitFor(() => cuckoo.requests > 20, { describe: 'many status requests' })
  assert.equal(places.length, 2)
})

test('an upload that was under way when the status was requested counts until a later status', async t => {
  const { cuckoo, room } = setUp(t, { maxPending: 1 })
  const first = await room.enter(end.signal)
  const { places } = enterMany(room, 1)
  await waitFor(() => cuckoo.requests > 2, { describe: 'status requests' })
  const open = cuckoo.hold()
  const seen = cuckoo.requests
  await waitFor(() => cuckoo.requests > seen, { describe: 'a status request under way' })
  cuckoo.pending = 1
  first?.leave()
  open()
  await waitFor(() => cuckoo.requests > seen + 5, { describe: 'later status requests' })
  assert.equal(places.length, 0)
  cuckoo.pending = 0
  await waitFor(() => places.length === 1, { describe: 'the place' })
})

test('a place that is left twice frees one', async t => {
  const { cuckoo, room } = setUp(t, { maxPending: 2 })
  const first = await room.enter(end.signal)
  const second = await room.enter(end.signal)
  assert.ok(second)
  first?.leave()
  first?.leave()
  const { places } = enterMany(room, 2)
  await waitFor(() => places.length === 1, { describe: 'one place' })
  const seen = cuckoo.requests
  await waitFor(() => cuckoo.requests > seen + 5, { describe: 'later status requests' })
  assert.equal(places.length, 1)
})

test('a fresh status is used again, an expired one is not', async t => {
  const { cuckoo, room } = setUp(t)
  await room.enter(end.signal)
  await room.enter(end.signal)
  assert.equal(cuckoo.requests, 1)
  room.expire()
  await room.enter(end.signal)
  assert.equal(cuckoo.requests, 2)
})

test('a status that is too old is asked for again', async t => {
  const { cuckoo, room } = setUp(t, { times: { fresh: 0 } })
  await room.enter(end.signal)
  await room.enter(end.signal)
  assert.equal(cuckoo.requests, 2)
})

test('without room for the time of patience messages are refused and the intake closes, until there is room', async t => {
  const { cuckoo, intake, room } = setUp(t, { times: { patience: 20 } })
  cuckoo.pending = 3
  const waiting = enterMany(room, 5)
  await waitFor(() => waiting.refused() === 5, { describe: 'five refusals' })
  assert.equal(intake.isOpen, false)
  assert.equal(await room.enter(end.signal), undefined)
  cuckoo.pending = 2
  await waitFor(() => intake.isOpen, { describe: 'the intake to open' })
  assert.ok(await room.enter(end.signal))
})

test('a Cuckoo that does not answer within the time of patience has no room', async t => {
  const { cuckoo, intake, room } = setUp(t, { times: { patience: 20 } })
  const open = cuckoo.hold()
  assert.equal(await room.enter(end.signal), undefined)
  assert.equal(intake.isOpen, false)
  open()
  await waitFor(() => intake.isOpen, { describe: 'the intake to open' })
})

test('a status that fails means waiting, not uploading', async t => {
  const { cuckoo, room } = setUp(t)
  cuckoo.error = new Error('500')
  const { places } = enterMany(room, 1)
  await waitFor(() => cuckoo.requests > 3, { describe: 'status requests' })
  assert.equal(places.length, 0)
  cuckoo.error = undefined
  await waitFor(() => places.length === 1, { describe: 'the place' })
})

test('too little free space is no room', async t => {
  const { cuckoo, room } = setUp(t, { freeSpace: { min: 100, unknown: 'go' } })
  cuckoo.freeBytes = 99
  const { places } = enterMany(room, 1)
  await waitFor(() => cuckoo.requests > 3, { describe: 'status requests' })
  assert.equal(places.length, 0)
  cuckoo.freeBytes = 100
  await waitFor(() => places.length === 1, { describe: 'the place' })
})

test('what is told of the room is what the last status said, free space where it matters', async t => {
  let changes = 0
  const onStatus = () => {
    changes += 1
  }
  const { cuckoo, room } = setUp(t, { onStatus, freeSpace: { min: 100, unknown: 'go' } })
  assert.deepEqual(room.figures, { state: 'unknown', maxPending: 3 })
  cuckoo.pending = 2
  cuckoo.freeBytes = 100
  await room.enter(end.signal)
  const { asOf = 0, ...figures } = room.figures
  assert.deepEqual(figures, { state: 'room', maxPending: 3, pending: 2, freeBytes: 100 })
  assert.ok(Math.abs(asOf - Date.now()) < 600_000, 'milliseconds since 1970')
  assert.equal(changes, 1)
  cuckoo.freeBytes = 99
  room.expire()
  enterMany(room, 1)
  await waitFor(() => room.figures.state === 'full', { describe: 'too little space' })
  cuckoo.error = new Error('500')
  await waitFor(() => room.figures.state === 'unknown', { describe: 'no status' })
  const other = setUp(t)
  other.cuckoo.freeBytes = 100
  await other.room.enter(end.signal)
  assert.equal(other.room.figures.freeBytes, undefined)
})

test('unknown free space means what the configuration says', async t => {
  const go = setUp(t, { freeSpace: { min: 100, unknown: 'go' } })
  assert.ok(await go.room.enter(end.signal))
  const wait = setUp(t, { freeSpace: { min: 100, unknown: 'wait' } })
  const { places } = enterMany(wait.room, 1)
  await waitFor(() => wait.cuckoo.requests > 3, { describe: 'status requests' })
  assert.equal(places.length, 0)
})

test('who waits no longer gets no place, and nobody is asked for', async t => {
  const { cuckoo, intake, room } = setUp(t, { times: { patience: 20 } })
  cuckoo.pending = 3
  const reason = new Error('stop')
  const gone = new AbortController()
  const entering = room.enter(gone.signal)
  gone.abort(reason)
  await assert.rejects(entering, reason)
  cuckoo.pending = 2
  assert.ok(await room.enter(end.signal))
  assert.equal(intake.isOpen, true)
})

test('a threshold below the unit in which free space is told counts as not told', async t => {
  for (const [min, unknown, has] of [
    [100, 'go', true],
    [1024, 'go', true],
    [2048, 'wait', false],
  ] as const) {
    const { cuckoo, room } = setUp(t, { freeSpace: { min, unknown }, times: { patience: 20 } })
    Object.assign(cuckoo, { freeBytes: 1024, freeUnit: 1024 })
    assert.equal((await room.enter(end.signal)) !== undefined, has, `${min}`)
  }
  const { cuckoo, room } = setUp(t, { freeSpace: { min: 100, unknown: 'wait' }, times: { patience: 20 } })
  Object.assign(cuckoo, { freeBytes: 1024, freeUnit: 1024 })
  assert.equal(await room.enter(end.signal), undefined)
})

test('where requests are few, five uploads share a status', async t => {
  const { cuckoo, room } = setUp(t, { intervalMs: () => 10_000, times: { fresh: 0 } })
  for (let n = 0; n < 3; n += 1) (await room.enter(end.signal))?.leave()
  assert.equal(cuckoo.requests, 1)
})

const refusedToken = () => Object.assign(new Error('401'), { sharedCause: true })

test('an error that lies in the place is that of all who wait, and of nobody who comes later', async t => {
  const { cuckoo, room } = setUp(t)
  const refused = refusedToken()
  cuckoo.error = refused
  const entering = [room.enter(end.signal), room.enter(end.signal)]
  for (const enter of entering) await assert.rejects(enter, refused)
  cuckoo.error = undefined
  assert.ok(await room.enter(end.signal))
})

test('who has stopped waiting before is let in nowhere, and asks for nothing', async t => {
  const { cuckoo, room } = setUp(t)
  await assert.rejects(room.enter(AbortSignal.abort(new Error('gone'))), /gone/)
  assert.equal(cuckoo.requests, 0)
})

test('whoever has a place or has left the queue listens to its signal no longer', async t => {
  const { cuckoo, room } = setUp(t, { times: { patience: 20 } })
  const held = new AbortController()
  const count = () => getEventListeners(held.signal, 'abort').length
  await room.enter(held.signal)
  assert.equal(count(), 0)
  room.expire()
  cuckoo.error = refusedToken()
  await assert.rejects(room.enter(held.signal))
  assert.equal(count(), 0)
  cuckoo.error = undefined
  cuckoo.pending = 3
  assert.equal(await room.enter(held.signal), undefined)
  assert.equal(count(), 0)
})

test('a status may be used for five seconds, or for as long as five uploads take, and not a millisecond longer', async t => {
  for (const [options, ms] of [
    [{}, 5000],
    [{ intervalMs: () => 10_000 }, 50_000],
    [{ intervalMs: () => 100 }, 5000],
  ] as const) {
    let now = 1_000_000
    const clock = t.mock.method(performance, 'now', () => now)
    const { cuckoo, room } = setUp(t, { maxPending: 10, ...options, times: { fresh: 5000 } })
    await room.enter(end.signal)
    now += ms - 1
    await room.enter(end.signal)
    assert.equal(cuckoo.requests, 1)
    now += 1
    await room.enter(end.signal)
    assert.equal(cuckoo.requests, 2)
    clock.mock.restore()
  }
})

test('patience is counted anew from each time somebody was let in', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const settle = async () => {
    for (let turns = 0; turns < 20; turns += 1) await new Promise(resolve => setImmediate(resolve))
  }
  const { cuckoo, intake, room } = setUp(t, {
    maxPending: 1,
    times: { patience: 1000, askAgain: 600, askAgainMax: 600 },
  })
  cuckoo.pending = 1
  const { places, refused } = enterMany(room, 2)
  await settle()
  cuckoo.pending = 0
  t.mock.timers.tick(600)
  await settle()
  assert.equal(places.length, 1)
  cuckoo.pending = 1
  t.mock.timers.tick(999)
  await settle()
  assert.deepEqual([refused(), intake.isOpen], [0, true])
  t.mock.timers.tick(1)
  await settle()
  assert.deepEqual([refused(), intake.isOpen], [1, false])
})

test('trouble with the status is told once, and once more after it was well', async t => {
  const told: unknown[] = []
  const { cuckoo, room } = setUp(t, {
    log: Object.assign(Object.create(log), { warn: (...parts: unknown[]) => told.push(parts.at(-1)) }),
  })
  const text = 'Cuckoo returns no usable status; waiting'
  for (const times of [1, 2]) {
    cuckoo.error = new Error('500')
    room.expire()
    const seen = cuckoo.requests
    const entering = room.enter(end.signal)
    await waitFor(() => cuckoo.requests > seen + 2, { describe: 'three status requests' })
    cuckoo.error = undefined
    assert.ok(await entering)
    assert.deepEqual(
      told,
      Array.from({ length: times }, () => text),
    )
  }
})
