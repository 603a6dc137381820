// What listeners are told, and what they may do around work and publishes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fakeClock } from '@cuckoo-distributed/testing'
import { NO_TELEMETRY, type Telemetry, telemetryOf, waitingFor } from '../src/telemetry.js'

function listener(name: string, steps: string[]): Telemetry {
  return {
    happened: ({ queue }, { event }) => void steps.push(`${name} ${queue} ${event}`),
    took: (measure, queue, seconds) => void steps.push(`${name} ${measure} ${queue} ${seconds}`),
    settled: (queue, how) => void steps.push(`${name} ${how} ${queue}`),
    async working({ queue }, work) {
      steps.push(`${name} begins ${queue}`)
      const result = await work()
      steps.push(`${name} ends ${queue}`)
      return result
    },
    sending: ({ headers }, publish) => publish({ ...headers, [name]: Object.keys(headers).length }),
  }
}

test('each listener is told all it listens to; work and publishes go through all of them, once', async () => {
  const steps: string[] = []
  const told = telemetryOf([listener('a', steps), NO_TELEMETRY, listener('b', steps)])
  told.happened({ queue: 'q' }, { event: 'done' })
  told.took?.('confirm', 'q', 2)
  told.settled?.('q', 'nack')
  assert.deepEqual(steps.splice(0), ['a q done', 'b q done', 'a confirm q 2', 'b confirm q 2', 'a nack q', 'b nack q'])
  const arrival = { queue: 'q', headers: {}, messageId: undefined, bytes: 1, isWait: false }
  const result = await told.working?.(arrival, async () => {
    steps.push('works')
    return 7
  })
  assert.deepEqual([result, steps], [7, ['b begins q', 'a begins q', 'works', 'a ends q', 'b ends q']])
  const sent: object[] = []
  const departure = { queue: 'q', headers: { x: 1 }, bytes: 1 }
  const how = await told.sending?.(departure, async headers => {
    sent.push(headers)
    return 'once'
  })
  assert.deepEqual([how, sent], ['once', [{ x: 1, b: 1, a: 2 }]])
  const nobody = telemetryOf([])
  assert.equal(await nobody.working?.(arrival, async () => 8), 8)
  assert.deepEqual(await nobody.sending?.(departure, async headers => headers), { x: 1 })
})

test('a wait is told from 200 ms on, and then its end as well; one that fails does not resume', async t => {
  const clock = fakeClock(t)
  const told: object[] = []
  const wait = () => {
    let [resolve, reject] = [(_: number) => {}, (_: Error) => {}]
    const event = new Promise<number>((yes, no) => {
      ;[resolve, reject] = [yes, no]
    })
    const result = waitingFor('room', { tell: happening => void told.push(happening) }, event)
    return { result, resolve, reject }
  }
  const short = wait()
  await clock.pass(199)
  short.resolve(5)
  assert.equal(await short.result, 5)
  await clock.pass(1000)
  assert.deepEqual(told, [])
  const [long, failing] = [wait(), wait()]
  await clock.pass(200)
  const waiting = { event: 'waiting', for: 'room' }
  assert.deepEqual(told.splice(0), [waiting, waiting])
  long.resolve(6)
  assert.equal(await long.result, 6)
  failing.reject(new Error('stop'))
  await assert.rejects(failing.result, /stop/)
  assert.deepEqual(told, [{ event: 'resumed' }])
})
