import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { TestContext } from 'node:test'
import { BrokerKeys, createLogger, Intake, readHeaders, validator } from '@cuckoo-distributed/core'
import { requestsPerMinuteKey } from '@cuckoo-distributed/sandbox-client'
import { fakeClock, startCrits, startCuckoo, testUnits } from '@cuckoo-distributed/testing'
import { type FeedCuckooConfig, FeedCuckooSchema, freeSpace } from '../src/config.js'
import { Room } from '../src/room.js'
import { feedCuckoo } from '../src/service.js'
import { message } from './scene.js'

const log = createLogger('test', { LogFile: '', LogLevel: 'warning' })
const isConfig = validator(FeedCuckooSchema, { fillDefaults: true })

function configWith(given: Partial<FeedCuckooConfig>): FeedCuckooConfig {
  const queues = { ConsumerQueue: 'feed', ProducerQueue: 'check', FailedQueue: 'failed' }
  const config: unknown = { Amqp: 'amqp://h', CuckooURL: 'http://cuckoo.invalid', ...queues, ...given }
  assert.ok(isConfig(config), JSON.stringify(isConfig.errors))
  return config
}

/** Of a service that ends with the test. */
async function stageOf(t: TestContext, given: Partial<FeedCuckooConfig>) {
  const stop = new AbortController()
  const dependencies = Object.assign(Object.create(null), { log, stop: stop.signal })
  const service = await feedCuckoo.open(configWith(given), dependencies)
  t.after(() => {
    stop.abort()
    return service[Symbol.asyncDispose]()
  })
  const [stage] = service.stages
  assert.ok(stage)
  return stage
}

/** Whether there is room in a Cuckoo with this status. */
async function hasRoom(t: TestContext, given: Partial<FeedCuckooConfig>, seen: { pending: number; freeBytes: number }) {
  const config = configWith(given)
  const stop = new AbortController()
  t.after(() => stop.abort())
  const counters = { version: '1.2', running: 0, completed: 0, reported: 0, total: 1, tasksKnown: true }
  const room = new Room({
    status: async () => ({ ...counters, ...seen }),
    maxPending: config.MaxPending,
    freeSpace: freeSpace(config),
    intake: new Intake(),
    log,
    stop: stop.signal,
  })
  let isIn = false
  room.enter(stop.signal).then(
    () => {
      isIn = true
    },
    () => undefined, // the end of the test
  )
  return () => isIn
}

testUnits('feed_cuckoo', FeedCuckooSchema, {
  ofPackages: { ...BrokerKeys, RequestsPerMinute: requestsPerMinuteKey(1) },
  rows: {
    async PrefetchCount(t) {
      assert.equal((await stageOf(t, { PrefetchCount: 7 })).prefetch, 7)
    },
    async MaxPending(t) {
      const clock = fakeClock(t)
      const below = await hasRoom(t, { MaxPending: 7 }, { pending: 6, freeBytes: 0 })
      const at = await hasRoom(t, { MaxPending: 7 }, { pending: 7, freeBytes: 0 })
      await clock.pass(0)
      assert.deepEqual([below(), at()], [true, false])
    },
    async MinFreeSpace(t) {
      const clock = fakeClock(t)
      const given = { CheckFreeSpace: true, MinFreeSpace: 7_000_000 }
      const at = await hasRoom(t, given, { pending: 0, freeBytes: 7_000_000 })
      const below = await hasRoom(t, given, { pending: 0, freeBytes: 6_999_999 })
      await clock.pass(0)
      assert.deepEqual([at(), below()], [true, false])
    },
    async MaxSampleSize(t) {
      const cuckoo = await startCuckoo({ analysisTime: Number.POSITIVE_INFINITY })
      const crits = await startCrits()
      t.after(() => Promise.all([cuckoo.close(), crits.close()]))
      const MaxSampleSize = 70_000
      const stage = await stageOf(t, { CuckooURL: cuckoo.url, CritsURL: crits.url, MaxSampleSize })
      const feed = (size: number) => {
        const bytes = Buffer.alloc(size, 'MZ')
        const { id } = crits.addSample({ bytes })
        const [{ name = '', keys: [key = ''] = [] } = {}] = crits.users
        const md5 = createHash('md5').update(bytes).digest('hex')
        const analysis = crits.startAnalysis({ objectId: id })
        const change = { object_id: id, username: name, api_key: key, md5 }
        return stage.run({
          delivery: { queue: 'feed', body: message(analysis.id, null, change), redelivered: false, mayBeRepeat: false },
          log,
          headers: readHeaders({}),
          waiting: new AbortController().signal,
          working: new AbortController().signal,
          describe: () => undefined,
          markBegun: () => undefined,
          tell: () => undefined,
        })
      }
      assert.equal((await feed(MaxSampleSize)).kind, 'forward')
      await assert.rejects(feed(MaxSampleSize + 1), { code: 'SAMPLE_TOO_LARGE' })
    },
  },
})
