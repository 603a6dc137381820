import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { BrokerKeys, Bulkhead, createLogger, validator } from '@cuckoo-distributed/core'
import { Availability, NetworkError } from '@cuckoo-distributed/http'
import { requestsPerMinuteKey } from '@cuckoo-distributed/sandbox-client'
import { type FakeClock, fakeClock, testUnits } from '@cuckoo-distributed/testing'
import { check } from '../src/check.js'
import { type CheckResultsConfig, CheckResultsSchema, timesOf } from '../src/config.js'
import { checkResults } from '../src/service.js'
import { Watcher } from '../src/watcher.js'
import { FakeCuckoo } from './fake-cuckoo.js'

const log = createLogger('test', { LogFile: '', LogLevel: 'warning' })
const isConfig = validator(CheckResultsSchema, { fillDefaults: true })

function configWith(given: Partial<CheckResultsConfig>): CheckResultsConfig {
  const config: unknown = { Amqp: 'amqp://h', ConsumerQueue: 'c', ProducerQueue: 'p', FailedQueue: 'f', ...given }
  assert.ok(isConfig(config))
  return config
}

/** A task that runs for ever, and is watched. */
function watched(t: TestContext, given: Partial<CheckResultsConfig>) {
  const clock: FakeClock = fakeClock(t)
  const stop = new AbortController()
  t.after(() => stop.abort())
  const cuckoo = new FakeCuckoo()
  cuckoo.set(1, 'running')
  const request = { method: 'GET', url: 'http://cuckoo.example/' }
  const refused = new NetworkError(request, false, new Error('connection refused'))
  const availability = new Availability({ probe: () => Promise.reject(refused) })
  const { awayLimitMs, ...times } = timesOf(configWith(given))
  const watcher = new Watcher({ client: cuckoo, availability, log, stop: stop.signal, ...times })
  const bulkhead = new Bulkhead({ prefetch: 10, stop: stop.signal })
  const ended: unknown[] = []
  const start = () => {
    const context = { waiting: stop.signal, tell: () => undefined }
    check(watcher, { taskId: 1, clocks: {}, context }, { bulkhead, awayLimitMs }).catch((error: unknown) => {
      ended.push(error instanceof Error && 'code' in error ? error.code : error)
    })
  }
  return { clock, cuckoo, availability, start, ended }
}

testUnits('check_results', CheckResultsSchema, {
  ofPackages: { ...BrokerKeys, RequestsPerMinute: requestsPerMinuteKey(1) },
  rows: {
    async WaitBetweenRequests(t) {
      const { clock, cuckoo, availability, start } = watched(t, { WaitBetweenRequests: 7 })
      availability.reportUp()
      start()
      await clock.pass(6_999)
      assert.equal(cuckoo.requests.length, 1)
      await clock.pass(1)
      assert.equal(cuckoo.requests.length, 2)
    },
    async AnalysisDeadline(t) {
      // The deadline is looked at with each request: 20 a second.
      const { clock, availability, start, ended } = watched(t, { AnalysisDeadline: 7, WaitBetweenRequests: 0 })
      availability.reportUp()
      start()
      for (let request = 0; request < 7 * 20; request += 1) await clock.pass(50)
      assert.deepEqual(ended, [])
      await clock.pass(50)
      assert.deepEqual(ended, ['ANALYSIS_DEADLINE'])
    },
    async CuckooAwayLimit(t) {
      const { clock, availability, start, ended } = watched(t, { CuckooAwayLimit: 7 })
      availability.reportDown(new Error('away'))
      start()
      await clock.pass(6_999)
      assert.deepEqual(ended, [])
      await clock.pass(1)
      assert.deepEqual(ended, ['CUCKOO_NOT_REACHED'])
    },
    async PrefetchCount() {
      assert.equal(await prefetchOf(7), 7)
    },
  },
})

async function prefetchOf(PrefetchCount: number): Promise<number | undefined> {
  const dependencies = Object.assign(Object.create(null), { log, stop: new AbortController().signal })
  await using service = await checkResults.open(configWith({ PrefetchCount }), dependencies)
  return service.stages[0]?.prefetch
}
