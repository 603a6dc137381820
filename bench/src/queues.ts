// Queues with messages in them, and how fast a process moves them on.
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { type ServiceProcess, startService, TestBroker, waitFor } from '@cuckoo-distributed/testing'
import { median } from './statistics.js'
import { short } from './table.js'

export interface Rate {
  /** Messages per second, the first tenth not counted: start-up and warming up. */
  readonly perSecond: number
  /** Processor milliseconds for each message, start-up included. */
  readonly cpuMs: number
  /** Most resident memory, MiB. */
  readonly peak: number
}

const ROUNDS = 3

/** A script of children/ as something that `startService` starts. */
export function child(name: string): string {
  return fileURLToPath(new URL(`children/${name}.js`, import.meta.url))
}

/** Fills a queue with `count` messages, lets `service` move them to another one and measures how fast they arrive there. */
export async function movingRate(
  amqp: string,
  work: { service: string; count: number; body: (index: number) => Buffer; config?: object },
): Promise<Rate> {
  const broker = await TestBroker.connect(amqp)
  const prefix = `bench.${randomUUID()}`
  const [from, to, failed] = [`${prefix}.from`, `${prefix}.to`, `${prefix}.failed`]
  for (const queue of [from, to, failed]) await broker.declare(queue)
  for (let index = 0; index < work.count; index++) {
    await broker.publish(from, work.body(index), { persistent: true, confirm: index % 100 === 0 })
  }
  await waitFor(async () => (await broker.depth(from)) === work.count, { describe: 'the queue to be filled' })
  const queues = { ConsumerQueue: from, ProducerQueue: to, FailedQueue: failed }
  const service = await startService(work.service, { config: { Amqp: amqp, ...queues, ...work.config } })
  try {
    return await rateOf(service, work.count, async () => (await broker.depth(to)) ?? 0)
  } finally {
    await service.kill()
    for (const queue of [from, to, failed]) await broker.delete(queue)
    await broker.close()
  }
}

async function rateOf(service: ServiceProcess, count: number, arrived: () => Promise<number>): Promise<Rate> {
  const reached = (share: number) =>
    waitFor(
      async () => {
        const now = await arrived()
        return now >= count * share && { now, at: performance.now() }
      },
      { everyMs: 5, deadlineMs: 60_000, describe: () => `messages to arrive:\n${service.tail()}` },
    )
  const first = await reached(0.1)
  const last = await reached(1)
  return {
    perSecond: ((last.now - first.now) / (last.at - first.at)) * 1000,
    cpuMs: (await service.cpu()) / count,
    peak: (await service.rss()).peak / 1024 ** 2,
  }
}

/** Medians of `ROUNDS` rounds of the product and of the bare loop, in turn, and of their ratio. */
export async function pairedRates(run: (service: 'own' | 'bare') => Promise<Rate>) {
  const own: Rate[] = []
  const bare: Rate[] = []
  for (let round = 0; round < ROUNDS; round++) {
    own.push(await run('own'))
    bare.push(await run('bare'))
  }
  const ratios = own.map((rate, at) => rate.perSecond / (bare[at]?.perSecond ?? Number.NaN))
  const middle = (rates: Rate[], key: keyof Rate) => median(rates.map(rate => rate[key]))
  return {
    own: middle(own, 'perSecond'),
    ownCpu: middle(own, 'cpuMs'),
    bare: middle(bare, 'perSecond'),
    bareCpu: middle(bare, 'cpuMs'),
    ownPeak: middle(own, 'peak'),
    barePeak: middle(bare, 'peak'),
    ratio: median(ratios),
  }
}

export const COST_HEAD = ['bare CPU ms', 'product CPU ms', 'bare peak MiB', 'product peak MiB'] as const

type Costs = Record<'bareCpu' | 'ownCpu' | 'barePeak' | 'ownPeak', number>

/** The cells below `COST_HEAD`. */
export function costCells({ bareCpu, ownCpu, barePeak, ownPeak }: Costs): string[] {
  return [bareCpu, ownCpu, barePeak, ownPeak].map(short)
}
