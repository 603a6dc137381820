// check_results: how long after "reported" the next message comes, and how many requests that takes.
import { randomUUID } from 'node:crypto'
import { type CuckooStandIn, startCuckoo, TestBroker, waitFor } from '@cuckoo-distributed/testing'
import type { Bench } from '../bench.js'
import { measured } from '../services.js'
import { median, quantile } from '../statistics.js'
import { atMost, short, type Table } from '../table.js'

const INTERVAL = 5
/** Over how many seconds the tasks become reported. */
const SPREAD = 15
const REPORTED_MAX = 30

export interface Watched {
  /** Seconds from reported to the next message. */
  readonly lags: number[]
  /** Requests for each second of the watch. */
  readonly requests: number
  /** Processor milliseconds of all instances for each second. */
  readonly cpu: number
  /** Most resident memory of the largest instance, MiB. */
  readonly peak: number
}

/** Lets `instances` of check_results watch `tasks` tasks, of which some become reported one after another. */
async function watchTasks(amqp: string, tasks: number, instances: number): Promise<Watched> {
  await using cuckoo = await startCuckoo({
    analysisTime: Number.POSITIVE_INFINITY,
    machines: tasks,
    singleThreaded: false,
  })
  const broker = await TestBroker.connect(amqp)
  const prefix = `bench.${randomUUID()}`
  const [from, to, failed] = [`${prefix}.from`, `${prefix}.to`, `${prefix}.failed`]
  for (const queue of [from, to, failed]) await broker.declare(queue)
  await submitAll(broker, cuckoo, from, tasks)
  const config = { Amqp: amqp, ConsumerQueue: from, ProducerQueue: to, FailedQueue: failed }
  const services = []
  for (let index = 0; index < instances; index++) {
    const prefetch = Math.ceil(tasks / instances)
    services.push(
      await measured('check_results', { ...config, PrefetchCount: prefetch, WaitBetweenRequests: INTERVAL }),
    )
  }
  await waitFor(async () => (await broker.depth(from)) === 0, {
    describe: 'all tasks to be watched',
    deadlineMs: 60_000,
  })
  const [requestsBefore, start] = [cuckoo.journal.length, performance.now()]
  const lags = await reportSome(broker, cuckoo, to, tasks)
  const seconds = (performance.now() - start) / 1000
  const requests = (cuckoo.journal.length - requestsBefore) / seconds
  let [cpu, peak] = [0, 0]
  for (const service of services) {
    cpu += (await service.service.cpu()) / seconds
    peak = Math.max(peak, (await service.service.rss()).peak / 1024 ** 2)
    await service.service.kill()
  }
  for (const queue of [from, to, failed]) await broker.delete(queue)
  await broker.close()
  return { lags, requests, cpu, peak }
}

async function submitAll(broker: TestBroker, cuckoo: CuckooStandIn, queue: string, tasks: number): Promise<void> {
  for (let id = 1; id <= tasks; id++) {
    const form = new FormData()
    form.append('file', new Blob([`MZ ${id}`]), 'a.exe')
    const response = await fetch(`${cuckoo.url}/tasks/create/file`, { method: 'POST', body: form })
    await response.arrayBuffer()
    const crits = { analysis_id: `${id}`, object_type: 'Sample', object_id: '1', username: 'u', api_key: 'k' }
    const body = JSON.stringify({ CuckooURL: cuckoo.url, TaskId: id, CritsData: { ...crits, md5: '', source: 's' } })
    await broker.publish(queue, body, { confirm: id % 100 === 0 || id === tasks })
  }
}

async function reportSome(broker: TestBroker, cuckoo: CuckooStandIn, queue: string, tasks: number): Promise<number[]> {
  const wanted = Math.min(tasks, REPORTED_MAX)
  const reportedAt = new Map<number, number>()
  const lags: number[] = []
  const start = performance.now()
  await waitFor(
    async () => {
      while (reportedAt.size < wanted && performance.now() - start > (reportedAt.size * SPREAD * 1000) / wanted) {
        const id = Math.floor((reportedAt.size * tasks) / wanted) + 1
        cuckoo.move(id, 'completed')
        cuckoo.move(id, 'reported')
        reportedAt.set(id, performance.now())
      }
      for (const { body } of await broker.takeAll(queue)) {
        const { TaskId }: { TaskId: number } = JSON.parse(body.toString())
        lags.push((performance.now() - (reportedAt.get(TaskId) ?? Number.NaN)) / 1000)
      }
      return lags.length === wanted
    },
    { everyMs: 20, deadlineMs: 90_000, describe: () => `all of ${wanted} messages, ${lags.length} came` },
  )
  return lags
}

export async function watch({ amqp }: Bench): Promise<Table[]> {
  const rows: string[][] = []
  for (const [tasks, instances] of [
    [100, 1],
    [1000, 1],
    [1000, 4],
    [10_000, 4],
  ] as const) {
    const { lags, requests, peak } = await watchTasks(amqp, tasks, instances)
    const middle = median(lags)
    const go = (tasks * INTERVAL) / 2
    const cells = [middle, quantile(lags, 0.95), Math.max(...lags), go, requests, peak].map(short)
    rows.push([`${tasks}`, `${instances}`, ...cells, atMost(middle, INTERVAL + 1)])
  }
  return [
    {
      title: `Watched tasks, one request per ${INTERVAL} s and instance`,
      text: 'Seconds from "reported" to the next message. "Go suite" is the mean that its law gives, N × interval ÷ 2: it asks for one task at a time. Ten times the tasks need no more requests.',
      head: ['tasks', 'instances', 'median', 'p95', 'most', 'Go suite', 'requests /s', 'peak MiB', 'met'],
      rows,
    },
  ]
}
