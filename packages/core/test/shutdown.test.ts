import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Shutdown } from '../src/shutdown.js'

test('the first signal stops, the second forces', () => {
  const told: string[] = []
  using shutdown = new Shutdown(
    () => 60_000,
    (signal, meaning) => told.push(`${signal} ${meaning}`),
  )
  process.emit('SIGTERM', 'SIGTERM')
  assert.deepEqual([shutdown.stop.aborted, shutdown.force.aborted], [true, false])
  process.emit('SIGINT', 'SIGINT')
  assert.deepEqual([shutdown.stop.aborted, shutdown.force.aborted], [true, true])
  assert.deepEqual(told, ['SIGTERM stop', 'SIGINT force'])
})

test('the end of the drain time forces, to the millisecond', t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  using shutdown = new Shutdown(
    () => 25_000,
    () => undefined,
  )
  process.emit('SIGTERM', 'SIGTERM')
  t.mock.timers.tick(24_999)
  assert.equal(shutdown.force.aborted, false)
  t.mock.timers.tick(1)
  assert.equal(shutdown.force.aborted, true)
})

test('what is disposed of hears no signal and holds no timer', t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const before = process.listenerCount('SIGTERM')
  let force: AbortSignal
  {
    using shutdown = new Shutdown(
      () => 1000,
      () => undefined,
    )
    force = shutdown.force
    process.emit('SIGTERM', 'SIGTERM')
  }
  assert.equal(process.listenerCount('SIGTERM'), before)
  t.mock.timers.tick(1000)
  assert.equal(force.aborted, false)
})
