// The four services together: samples per second, and what each further sample costs.
import { randomBytes, randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import {
  bigReport,
  publishAsCrits,
  runCritsService,
  type ServiceProcess,
  spool,
  startCrits,
  startCuckoo,
  TestBroker,
  waitFor,
} from '@cuckoo-distributed/testing'
import type { Bench } from '../bench.js'
import { type Measured, measured } from '../services.js'
import { atLeast, atMost, short, type Table } from '../table.js'

/** The Go suite with the settings that suit it best, by the same measure on the same machine: CPU ms for each further sample. */
const GO = {
  perSecond: 1.87,
  cpu: { feed_cuckoo: '2.6', check_results: 'asks all the time', parse_and_submit: '41', overseer: '0' },
}
const TARGET = { feed_cuckoo: 2.5, check_results: 0.5, parse_and_submit: 15, overseer: 0 }
/** The first samples pay for the start, for compiling and for connections; what the further ones cost is the growth. */
const FIRST = 50
const ALL = 200

type Services = Record<keyof typeof TARGET, Measured>
type Crits = Awaited<ReturnType<typeof startCrits>>

export async function pipeline({ amqp }: Bench): Promise<Table[]> {
  const { perSecond, services } = await furtherSamples(amqp)
  const rows = NAMES.map(name => {
    const { ms, p99, peak } = services[name]
    const target = TARGET[name]
    return [name, short(ms), target > 0 ? atMost(ms, target) : '', GO.cpu[name], short(p99), short(peak)]
  })
  return [
    {
      title: 'Samples of 200 KB with reports of 1 MB and 1,000 calls posted, analysis time 0',
      text: `${short(perSecond)} samples per second (${atLeast(perSecond, 40)}) through all four services, on the cores that broker, Cuckoo and CRITs stand-ins share; the Go suite came to ${GO.perSecond}. CPU is the growth for each of ${ALL - FIRST} samples that come when ${FIRST} are through.`,
      head: ['service', 'CPU ms per further sample', 'met', 'Go suite', 'event-loop delay p99, ms', 'peak MiB'],
      rows,
    },
  ]
}

/** What the samples after the first ones cost: `ms` of processor time for each. `config` goes to the three stages. */
export async function furtherSamples(amqp: string, config: { readonly Events?: boolean } = {}) {
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
  const services = await start({ amqp, prefix, cuckooUrl: cuckoo.url, critsUrl: crits.url, config })
  const queue = `${prefix}.feed`
  const { service } = services.parse_and_submit
  const send = (count: number) => samplesThrough({ crits, broker, queue, service }, count)
  await send(FIRST)
  const before = await cpuOf(services)
  const seconds = await send(ALL - FIRST)
  const after = await cpuOf(services)
  const costOf = async (name: keyof Services) => {
    const { p99, peak } = await services[name].end()
    return { ms: (after[name] - before[name]) / (ALL - FIRST), p99, peak }
  }
  const costs = {
    feed_cuckoo: await costOf('feed_cuckoo'),
    check_results: await costOf('check_results'),
    parse_and_submit: await costOf('parse_and_submit'),
    overseer: await costOf('overseer'),
  }
  for (const name of QUEUES) await broker.delete(`${prefix}.${name}`)
  await broker.close()
  return { perSecond: (ALL - FIRST) / seconds, services: costs }
}

const NAMES = ['feed_cuckoo', 'check_results', 'parse_and_submit', 'overseer'] as const
const QUEUES = [
  'feed',
  'check',
  'parse',
  'failed',
  'failed.lost',
  'failed.events',
  ...[1, 10, 60, 300, 600].map(s => `failed.delay.${s}`),
]
const PARSERS = ['info', 'signatures', 'behavior']

async function start(where: {
  amqp: string
  prefix: string
  cuckooUrl: string
  critsUrl: string
  config: object
}): Promise<Services> {
  const queue = (name: string) => `${where.prefix}.${name}`
  const common = { ...where.config, Amqp: where.amqp, FailedQueue: queue('failed') }
  const stage = (from: string, to: string) => ({ ...common, ConsumerQueue: queue(from), ProducerQueue: queue(to) })
  const { cuckooUrl: CuckooURL, critsUrl: CritsURL } = where
  return {
    feed_cuckoo: await measured('feed_cuckoo', {
      ...stage('feed', 'check'),
      ...{ CuckooURL, CritsURL, MaxPending: 1000, PrefetchCount: 10 },
    }),
    check_results: await measured('check_results', {
      ...stage('check', 'parse'),
      ...{ WaitBetweenRequests: 0, PrefetchCount: 1000 },
    }),
    parse_and_submit: await measured('parse_and_submit', {
      ...{ ...common, ConsumerQueue: queue('parse') },
      ...{ CritsURL, PrefetchCount: 50, CuckooCleanup: true, EnabledParsers: PARSERS },
    }),
    overseer: await measured('overseer', { Amqp: where.amqp, ConsumerQueue: queue('failed'), DumpDir: tmpdir() }),
  }
}

/** Sends samples all at once; resolves with the seconds until the last analysis is complete in CRITs. */
async function samplesThrough(
  to: { crits: Crits; broker: TestBroker; queue: string; service: ServiceProcess },
  count: number,
): Promise<number> {
  const analyses = Array.from({ length: count }, (_, index) =>
    runCritsService(to.crits, { name: `${index}.exe`, bytes: randomBytes(200_000) }),
  )
  const left = new Set(analyses.map(({ analysisId }) => analysisId))
  const begun = performance.now()
  for (const { body } of analyses) await publishAsCrits(to.broker, to.queue, withoutMd5(body))
  const isDone = () => {
    for (const id of left) if (to.crits.analyses.get(id)?.status === 'completed') left.delete(id)
    return left.size === 0
  }
  await waitFor(isDone, { deadlineMs: 240_000, describe: () => `${left.size} analyses:\n${to.service.tail(5)}` })
  return (performance.now() - begun) / 1000
}

async function cpuOf(services: Services): Promise<Record<keyof Services, number>> {
  const [feed_cuckoo, check_results, parse_and_submit, overseer] = await Promise.all(
    NAMES.map(name => services[name].service.cpu()),
  )
  return {
    feed_cuckoo: feed_cuckoo ?? 0,
    check_results: check_results ?? 0,
    parse_and_submit: parse_and_submit ?? 0,
    overseer: overseer ?? 0,
  }
}

/** The report is the same for all samples: a message that names no MD5 is not compared with it. */
function withoutMd5(body: Buffer): Buffer {
  const message: { crits_data: { md5: string } } = JSON.parse(body.toString())
  message.crits_data.md5 = ''
  return Buffer.from(JSON.stringify(message))
}
