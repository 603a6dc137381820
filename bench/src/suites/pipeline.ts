// The four services together: samples per second, and what a sample costs.
import { randomBytes, randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import {
  bigReport,
  publishAsCrits,
  runCritsService,
  spool,
  startCrits,
  startCuckoo,
  TestBroker,
  waitFor,
} from '@cuckoo-distributed/testing'
import type { Bench } from '../main.js'
import { measured } from '../services.js'
import { short, type Table } from '../table.js'

/** What the Go suite needed on 2 cores for 200 samples of 200 KB with 1 MB reports, WaitBetweenRequests 0 and prefetch 50. */
const GO = {
  perSecond: 5.49,
  cpu: { feed_cuckoo: 1.12 / 200, check_results: 16.8 / 200, parse_and_submit: 10.1 / 200, overseer: 0 },
}
const SAMPLES = 100

export async function pipeline({ amqp }: Bench): Promise<Table[]> {
  await using report = await spool(bigReport({ bytes: 1_000_000 }))
  await using cuckoo = await startCuckoo({
    analysisTime: 0,
    machines: 1000,
    singleThreaded: false,
    report: () => report,
  })
  await using crits = await startCrits({ keepLimit: 0 })
  const broker = await TestBroker.connect(amqp)
  const prefix = `bench.${randomUUID()}`
  const queue = (name: string) => `${prefix}.${name}`
  const shared = { Amqp: amqp, FailedQueue: queue('failed') }
  const configs = {
    feed_cuckoo: { CuckooURL: cuckoo.url, CritsURL: crits.url, MaxPending: 1000, PrefetchCount: 10 },
    check_results: { WaitBetweenRequests: 0, PrefetchCount: 1000 },
    parse_and_submit: { CritsURL: crits.url, PrefetchCount: 50, CuckooCleanup: true, EnabledParsers: PARSERS },
  }
  const services = {
    feed_cuckoo: await measured('feed_cuckoo', {
      ...shared,
      ...configs.feed_cuckoo,
      ConsumerQueue: queue('feed'),
      ProducerQueue: queue('check'),
    }),
    check_results: await measured('check_results', {
      ...shared,
      ...configs.check_results,
      ConsumerQueue: queue('check'),
      ProducerQueue: queue('parse'),
    }),
    parse_and_submit: await measured('parse_and_submit', {
      ...shared,
      ...configs.parse_and_submit,
      ConsumerQueue: queue('parse'),
    }),
    overseer: await measured('overseer', { Amqp: amqp, ConsumerQueue: queue('failed'), DumpDir: tmpdir() }),
  }
  const analyses = Array.from({ length: SAMPLES }, (_, index) =>
    runCritsService(crits, { name: `${index}.exe`, bytes: randomBytes(200_000) }),
  )
  const start = performance.now()
  for (const { body } of analyses) await publishAsCrits(broker, queue('feed'), withoutMd5(body))
  const left = new Set(analyses.map(({ analysisId }) => analysisId))
  await waitFor(
    () => {
      for (const id of left) if (crits.analyses.get(id)?.status === 'completed') left.delete(id)
      return left.size === 0
    },
    { deadlineMs: 120_000, describe: () => `${left.size} analyses:\n${services.parse_and_submit.service.tail(5)}` },
  )
  const perSecond = SAMPLES / ((performance.now() - start) / 1000)
  const rows: string[][] = []
  for (const [name, service] of Object.entries(services)) {
    const { cpu, p99, peak } = await service.end()
    const go = Object.entries(GO.cpu).find(([key]) => key === name)?.[1] ?? 0
    rows.push([name, ...[(cpu / SAMPLES) * 1000, go * 1000, p99, peak].map(short)])
  }
  const names = [
    'feed',
    'check',
    'parse',
    'failed',
    'failed.lost',
    ...[1, 10, 60, 300, 600].map(s => `failed.delay.${s}`),
  ]
  for (const name of names) await broker.delete(queue(name))
  await broker.close()
  return [
    {
      title: `${SAMPLES} samples of 200 KB with reports of 1 MB, analysis time 0`,
      text: `${short(perSecond)} samples per second through all four services on the cores that broker, Cuckoo and CRITs stand-ins share; the Go suite came to ${GO.perSecond} with the settings that suit it best. CPU is that of the whole life of each process, its start included.`,
      head: ['service', 'CPU ms per sample', 'Go suite', 'event-loop delay p99, ms', 'peak MiB'],
      rows,
    },
  ]
}

const PARSERS = ['info', 'signatures', 'behavior']

/** The report is the same for all samples: a message that names no MD5 is not compared with it. */
function withoutMd5(body: Buffer): Buffer {
  const message: { crits_data: { md5: string } } = JSON.parse(body.toString())
  message.crits_data.md5 = ''
  return Buffer.from(JSON.stringify(message))
}
