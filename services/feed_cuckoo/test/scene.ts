import { randomBytes } from 'node:crypto'
import type { TestContext } from 'node:test'
import { brokerForTests, type CuckooOptions, spawnService, startCuckoo, testQueues } from '@cuckoo-distributed/testing'

/** A broker with the queues of a feeder, and a Cuckoo in which nothing ends by itself. */
export async function scene(t: TestContext) {
  const broker = await brokerForTests(t)
  const queues = await testQueues(t, broker, 'feed', 'check', 'failed')
  const config = {
    Amqp: broker.url,
    ConsumerQueue: queues.feed,
    ProducerQueue: queues.check,
    FailedQueue: queues.failed,
    PrefetchCount: 50,
    LogLevel: 'debug',
  }
  return {
    broker,
    queues,
    async cuckoo(options: CuckooOptions = {}) {
      const cuckoo = await startCuckoo({ analysisTime: Number.POSITIVE_INFINITY, machines: 1, ...options })
      t.after(() => cuckoo.close())
      return cuckoo
    },
    async feeder(CuckooURL: string, change: object = {}) {
      const service = await spawnService(t, 'feed_cuckoo', { config: { ...config, CuckooURL, ...change } })
      await service.waitForLog('consuming')
      return service
    },
  }
}

/** A message in CRITs' form; `data` null leaves the sample in CRITs. */
export function message(analysisId: string, data: Buffer | null, change: object = {}): Buffer {
  const crits = {
    analysis_id: analysisId,
    object_type: 'Sample',
    object_id: '56686f0e1d41c8731f5e8a01',
    username: 'alice',
    api_key: 'f00ba4',
    md5: '',
    source: 'Internal',
    ...change,
  }
  const file = { name: 'invoice "1".exe', data: data?.toString('base64') ?? null }
  return Buffer.from(JSON.stringify({ payload: { package: 'exe' }, file, crits_data: crits }))
}

/** So many messages with samples of their own. */
export function messages(count: number): Buffer[] {
  return Array.from({ length: count }, (_, i) => message(`analysis-${i}`, randomBytes(1000)))
}
