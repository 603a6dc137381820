import type { TestContext } from 'node:test'
import { CuckooClient } from '@cuckoo-distributed/sandbox-client'
import {
  brokerForTests,
  type CuckooOptions,
  type CuckooStandIn,
  spawnService,
  startCuckoo,
  testQueues,
} from '@cuckoo-distributed/testing'

/** A broker with the queues of check_results, and Cuckoos in which nothing ends by itself. */
export async function scene(t: TestContext) {
  const broker = await brokerForTests(t)
  const queues = await testQueues(t, broker, 'check', 'parse', 'failed')
  const config = {
    Amqp: broker.url,
    ConsumerQueue: queues.check,
    ProducerQueue: queues.parse,
    FailedQueue: queues.failed,
    WaitBetweenRequests: 0,
    LogLevel: 'debug',
  }
  return {
    broker,
    queues,
    /** A Cuckoo with running tasks 1 to `tasks`. */
    async cuckoo(tasks: number, options: CuckooOptions = {}) {
      const cuckoo = await startCuckoo({ analysisTime: Number.POSITIVE_INFINITY, machines: 1000, ...options })
      t.after(() => cuckoo.close())
      await submit(cuckoo, tasks)
      return cuckoo
    },
    async checker(change: object = {}) {
      const service = await spawnService(t, 'check_results', { config: { ...config, ...change } })
      await service.waitForLog('consuming')
      return service
    },
  }
}

async function submit(cuckoo: CuckooStandIn, tasks: number): Promise<void> {
  await using client = new CuckooClient({ baseUrl: new URL(cuckoo.url), verifySsl: true, maxConnections: 1 })
  const file = { name: 'a.exe', size: 2, open: () => sample() }
  for (let id = 1; id <= tasks; id += 1) {
    await client.createTask({ ...file, options: { custom: `analysis-${id}` } }, new AbortController().signal)
  }
}

async function* sample(): AsyncGenerator<Buffer> {
  yield Buffer.from('MZ')
}

/** A message of feed_cuckoo, with the keys in another order and white space that our encoder would not write. */
export function message(cuckooUrl: string, taskId: number, analysisId = `analysis-${taskId}`): Buffer {
  const crits = `"analysis_id": "${analysisId}", "object_type": "Sample", "object_id": "56686f0e1d41c8731f5e8a01"`
  const rest = '"username": "alice", "api_key": "f00ba4", "md5": "", "source": "\\u00e9", "crits_url": ""'
  return Buffer.from(`{ "CuckooURL" : "${cuckooUrl}", "CritsData": {${crits}, ${rest}},\n"TaskId":${taskId} }`)
}
