import assert from 'node:assert/strict'
import { BrokerKeys, Bulkhead, createLogger, validator } from '@cuckoo-distributed/core'
import { CritsServers } from '@cuckoo-distributed/crits-client'
import { requestsPerMinuteKey } from '@cuckoo-distributed/sandbox-client'
import { fakeClock, testUnits } from '@cuckoo-distributed/testing'
import { type Config, configSchema, critsPauseMs } from '../src/config.js'
import { Places } from '../src/places.js'
import { requireReach } from '../src/reach.js'
import { parseAndSubmit } from '../src/service.js'
import { submitterScene } from './submitter.js'

const log = createLogger('test', { LogFile: '', LogLevel: 'warning' })
const { signal } = new AbortController()
const isConfig = validator(configSchema, { fillDefaults: true })

function configWith(given: Partial<Config>): Config {
  const config: unknown = { Amqp: 'amqp://h', ConsumerQueue: 'parse', FailedQueue: 'failed', ...given }
  assert.ok(isConfig(config), JSON.stringify(isConfig.errors))
  return config
}

testUnits('parse_and_submit', configSchema, {
  ofPackages: { ...BrokerKeys, RequestsPerMinute: requestsPerMinuteKey(2) },
  rows: {
    async PrefetchCount() {
      const dependencies = Object.assign(Object.create(null), { log, stop: signal })
      await using service = await parseAndSubmit.open(configWith({ PrefetchCount: 7 }), dependencies)
      assert.equal(service.stages[0]?.prefetch, 7)
    },
    async PushApiCallsMax(t) {
      // The report has twelve.
      const { analysis, deliver } = await submitterScene(t, { EnabledParsers: ['behavior'], PushApiCallsMax: 7 })
      await deliver({}).outcome
      assert.equal(analysis().results.filter(({ subtype }) => subtype === 'api_call').length, 7)
    },
    async ScreenshotsMax(t) {
      const screenshots = Array.from({ length: 12 }, (_, at) => {
        return { name: `${1000 + at}.jpg`, content: Buffer.from(`\xff\xd8\xff\xe0 ${at}`, 'latin1') }
      })
      const standIns = { cuckoo: { artifacts: () => ({ screenshots }) } }
      const config: Partial<Config> = { EnabledParsers: ['screenshots'], ScreenshotsMax: 7 }
      const { crits, deliver } = await submitterScene(t, config, { standIns, uploadPauseMs: 1 })
      await deliver({}).outcome
      assert.equal(crits.screenshots.length, 7)
    },
    async CuckooConcurrency(t) {
      const clock = fakeClock(t)
      const { CuckooConcurrency } = configWith({ CuckooConcurrency: 3 })
      const bulkhead = new Bulkhead({ prefetch: 100, stop: signal })
      const places = new Places({ perCuckoo: CuckooConcurrency, bulkhead })
      const availability = { isWell: true, isDown: false, isFailing: false }
      const context = { waiting: signal, tell: () => undefined }
      const inPlace = new Map<string, number>()
      const leaves: ((() => void) | undefined)[] = []
      for (const name of ['one', 'two', 'three']) {
        const cuckoo = { availability }
        for (let n = 0; n < 5; n += 1) {
          const analysis = Object.assign(Object.create(null), { cuckoo, crits: { availability }, context })
          void places.enter(analysis, 'at once').then(leave => {
            leaves.push(leave)
            inPlace.set(name, (inPlace.get(name) ?? 0) + 1)
          })
        }
      }
      await clock.pass(0)
      assert.deepEqual(
        [...inPlace],
        [
          ['one', 3],
          ['two', 3],
        ],
      )
      leaves[0]?.()
      await clock.pass(0)
      assert.equal(leaves.length, 7)
    },
    async CuckooAwayLimit(t) {
      const clock = fakeClock(t)
      const config = configWith({ CuckooAwayLimit: 7 })
      const notes = new Map()
      const availability = { isDown: true, isWell: false }
      const context = { headers: { notes } }
      const analysis = Object.assign(Object.create(null), { config, context, cuckoo: { availability } })
      requireReach(analysis)
      await clock.pass(6_999)
      requireReach(analysis)
      await clock.pass(1)
      assert.throws(() => requireReach(analysis), { code: 'CUCKOO_NOT_REACHED' })
    },
    async CritsPause(t) {
      const clock = fakeClock(t)
      const pauseMs = critsPauseMs(configWith({ CritsPause: 1.5 }))
      await using servers = new CritsServers({ verifySsl: true, pauseMs })
      const server = servers.forMessage('http://crits.invalid')
      const first = server.acquire([], signal)
      await clock.pass(1)
      const end = await first
      end()
      let isNext = false
      void server.acquire([], signal).then(() => {
        isNext = true
      })
      await clock.pass(1_499)
      assert.equal(isNext, false)
      await clock.pass(1)
      assert.equal(isNext, true)
    },
  },
})
