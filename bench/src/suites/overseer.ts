// The overseer: what it holds in memory while large messages fail, with every delay queue filled, and how fast it lists dumps.
import { randomUUID } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeFailedMessage, type HeaderTable } from '@cuckoo-distributed/core'
import { startCrits, startService, TestBroker, waitFor } from '@cuckoo-distributed/testing'
import type { Bench } from '../bench.js'
import { atMost, short, type Table } from '../table.js'
import { dumpsListed } from './overseer-dumps.js'

const MIB = 1024 ** 2
const COUNT = 20
const WAITING = 3
const DELAYS = [1, 10, 60, 300, 600]
const LONG_AGO = 1
const GIVEN_UP = { 'x-attempts': 1, 'x-permanent': 1 }

interface Case {
  readonly title: string
  readonly headers: HeaderTable
  /** When what lies in the delay queues is due, in milliseconds since 1970. */
  readonly due: number
  /** Small messages before the large ones: the prefetch has grown by then. */
  readonly small: number
}

const CASES: readonly Case[] = [
  { title: 'all dumped', headers: GIVEN_UP, due: 2 ** 52, small: 0 },
  { title: 'all dumped, after 500 small ones', headers: GIVEN_UP, due: 2 ** 52, small: 500 },
  { title: 'all tried again, the delay queues overdue', headers: { 'x-attempts': 1 }, due: LONG_AGO, small: 0 },
]

export async function overseer(bench: Bench): Promise<Table[]> {
  return [await memory(bench), await dumpsListed(bench)]
}

async function memory({ amqp }: Bench): Promise<Table> {
  const rows: string[][] = []
  for (const size of [15, 1]) {
    for (const one of CASES) {
      const largest = message('work', size).length / MIB
      const { idle, peak } = await measure(amqp, one, size)
      const more = peak - idle
      const met = size === 15 ? atMost(more / largest, 12, ' ×') : ''
      rows.push([`${size} MiB, ${one.title}`, short(idle), short(peak), short(more), short(more / largest), met])
    }
  }
  return {
    title: 'The memory of the overseer',
    text: `Resident memory in MiB: with empty queues, and at most while ${COUNT} failed messages come that hold a sample, and ${WAITING} more lie in each of the five delay queues. CRITs does not answer.`,
    head: ['messages', 'idle', 'peak', 'above idle', '÷ message', 'met'],
    rows,
  }
}

async function measure(amqp: string, { headers, due, small }: Case, size: number) {
  const broker = await TestBroker.connect(amqp)
  const prefix = `bench.${randomUUID()}`
  const [failed, work] = [`${prefix}.failed`, `${prefix}.work`]
  const dir = await mkdtemp(join(tmpdir(), 'bench-dumps-'))
  await using crits = await startCrits()
  crits.faults.next({ kind: 'hang', times: Number.POSITIVE_INFINITY })
  const config = { Amqp: amqp, ConsumerQueue: failed, DumpDir: dir, RetryDelays: [1, 1, 1], CritsURL: crits.url }
  const queues = [failed, work, ...DELAYS.map(seconds => `${failed}.delay.${seconds}`)]
  try {
    for (const queue of queues) await broker.declare(queue)
    const idle = await running(config, async service => (await service.rss()).current)
    const [large, tiny] = [message(work, size), message(work, 0)]
    for (const queue of queues.slice(2)) {
      for (let i = 0; i < WAITING; i++)
        await broker.publish(queue, large, { headers: { 'x-attempts': 1, 'x-due': due } })
    }
    for (let i = 0; i < small; i++) await broker.publish(failed, tiny, { headers: { 'x-attempts': 1 }, confirm: false })
    for (let i = 0; i < COUNT; i++) await broker.publish(failed, distinct(large, i), { headers })
    const ended = async () =>
      headers === GIVEN_UP
        ? (await readdir(dir)).filter(name => name.endsWith('.json') && !name.startsWith('.')).length === COUNT
        : (await broker.depth(work)) === COUNT + WAITING * DELAYS.length
    const peak = await running(config, async service => {
      await waitFor(ended, { deadlineMs: 120_000, describe: () => `the end:\n${service.tail()}` })
      return (await service.rss()).peak
    })
    return { idle: idle / MIB, peak: peak / MIB }
  } finally {
    for (const queue of queues) await broker.delete(queue)
    await broker.close()
    await rm(dir, { recursive: true })
  }
}

async function running<T>(
  config: object,
  use: (service: Awaited<ReturnType<typeof startService>>) => Promise<T>,
): Promise<T> {
  const service = await startService('overseer', { config })
  try {
    await service.waitForLog('consuming', { deadlineMs: 30_000 })
    return await use(service)
  } finally {
    await service.kill()
  }
}

/** A failed message of feed_cuckoo whose sample makes it about `size` MiB long. */
function message(queue: string, size: number): Buffer {
  const data = Buffer.alloc(size * MIB * 0.75, 'sample').toString('base64')
  const crits_data = { analysis_id: 'a', object_type: 'Sample', object_id: 'o', username: 'u', api_key: 'k' }
  const failed = { service: 'feed_cuckoo', queue, error: 'e', desc: 'd', failedAt: '2026-01-02T03:04:05.678Z' }
  return encodeFailedMessage(failed, JSON.stringify({ payload: {}, file: { name: 'a', data }, crits_data }))
}

/** The same with another digest, or all would be one dump. */
function distinct(message: Buffer, index: number): Buffer {
  return Buffer.concat([message.subarray(0, -1), Buffer.from(`,"N":${index}}`)])
}
