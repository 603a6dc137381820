import assert from 'node:assert/strict'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BrokerKeys, SharedCauses, validator, writeHeaders } from '@cuckoo-distributed/core'
import { fakeClock, testUnits } from '@cuckoo-distributed/testing'
import { DELAY_LADDER, delayQueue, type OverseerConfig, OverseerSchema, retentionOf } from '../src/config.js'
import { trim } from '../src/journal/files.js'
import { nextStep, overseeStage } from '../src/oversee.js'
import { releaseStages } from '../src/release.js'
import { overseer } from '../src/service.js'
import { contextOf, silentLog, taskBody, temporaryDir, wrapped } from './support.js'

const DAY = 86_400_000
const MIDNIGHT = Date.UTC(2026, 0, 5)
const isConfig = validator(OverseerSchema, { fillDefaults: true })

function configWith(given: Partial<Record<keyof OverseerConfig, unknown>>): OverseerConfig {
  const config: unknown = { Amqp: 'amqp://h', ConsumerQueue: 'worker/failed', DumpDir: '/dumps', ...given }
  assert.ok(isConfig(config), JSON.stringify(isConfig.errors))
  return config
}

testUnits('overseer', OverseerSchema, {
  ofPackages: BrokerKeys,
  rows: {
    async RetryDelays(t) {
      const clock = fakeClock(t)
      const { signal } = new AbortController()
      const unused = { write: async () => assert.fail('dumped'), tell: () => assert.fail('told') }
      for (const seconds of DELAY_LADDER) {
        const config = configWith({ RetryDelays: [seconds] })
        const queue = config.ConsumerQueue
        const options = { queue, prefetch: 1, retryDelays: config.RetryDelays, sharedCauseLimit: 0 }
        const stage = overseeStage({ ...options, causes: new SharedCauses(), dumps: unused, notices: unused })
        const context = contextOf(wrapped('next', taskBody('a')), {}, signal)
        const waits = await stage.run(context)
        assert.ok(waits.kind === 'forward')
        assert.equal(waits.queue, delayQueue(queue, seconds))
        const release = releaseStages(queue).find(({ queue }) => queue === waits.queue)
        // What does not say when it is due waits as long, from then on.
        for (const headers of [writeHeaders(context.headers), {}]) {
          let released: string | undefined
          void release?.run(contextOf(waits.body, headers, signal)).then(outcome => {
            released = outcome.kind === 'forward' ? outcome.queue : outcome.kind
          })
          await clock.pass(seconds * 1000 - 1)
          assert.equal(released, undefined)
          await clock.pass(1)
          assert.equal(released, 'next')
        }
      }
    },
    async SharedCauseLimit(t) {
      const clock = fakeClock(t)
      const { SharedCauseLimit: sharedCauseLimit } = configWith({ SharedCauseLimit: 7 })
      const cause = { code: 'CRITS_AUTH', since: Date.now(), tries: 1 }
      const isGivenUp = () =>
        'giveUp' in nextStep({ attempts: 1, permanent: false, cause }, { retryDelays: [], sharedCauseLimit })
      await clock.pass(6_999)
      assert.equal(isGivenUp(), false)
      await clock.pass(1)
      assert.equal(isGivenUp(), true)
    },
    async JournalDays(t) {
      const dir = await temporaryDir(t)
      const retention = retentionOf(configWith({ JournalDays: 7 }))
      await writeFile(join(dir, '2026-01-05-0123456789ab.jsonl'), 'x')
      await trim(dir, retention, '', MIDNIGHT + 8 * DAY - 1)
      assert.equal((await readdir(dir)).length, 1)
      await trim(dir, retention, '', MIDNIGHT + 8 * DAY)
      assert.equal((await readdir(dir)).length, 0)
    },
    async JournalBytes(t) {
      const dir = await temporaryDir(t)
      const JournalBytes = 2 ** 20 + 7
      const retention = retentionOf(configWith({ JournalBytes }))
      const file = join(dir, '2026-01-05-0123456789ab.jsonl')
      await writeFile(file, Buffer.alloc(JournalBytes))
      await trim(dir, retention, '', MIDNIGHT)
      assert.equal((await readdir(dir)).length, 1)
      await writeFile(file, Buffer.alloc(JournalBytes + 1))
      await trim(dir, retention, '', MIDNIGHT)
      assert.equal((await readdir(dir)).length, 0)
    },
    async PrefetchCount(t) {
      const DumpDir = join(await temporaryDir(t), 'dumps')
      await mkdir(DumpDir, { mode: 0o700 })
      const dependencies = Object.assign(Object.create(null), { log: silentLog, stop: new AbortController().signal })
      await using service = await overseer.open(configWith({ DumpDir, Events: false, PrefetchCount: 7 }), dependencies)
      assert.equal(service.stages[0]?.prefetch, 7)
    },
  },
})
