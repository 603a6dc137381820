// feed_cuckoo: one large sample inside a message, and the rate for small ones.
import { randomBytes } from 'node:crypto'
import { runCritsService, startCrits, startCuckoo } from '@cuckoo-distributed/testing'
import type { Bench } from '../bench.js'
import type { Decoded } from '../children/decode.js'
import { COST_HEAD, child, costCells, movingRate, pairedRates } from '../queues.js'
import { median } from '../statistics.js'
import { atLeast, atMost, short, type Table } from '../table.js'
import { runChild } from '../usage.js'

const ROUNDS = 3
const SAMPLE = 90_000_000

async function decoding(): Promise<Table> {
  const ways = ['product', 'JSON.parse'] as const
  const run = async (...args: string[]) => (await runChild<Decoded>('decode', args)).result
  const plain: Record<(typeof ways)[number], Decoded[]> = { product: [], 'JSON.parse': [] }
  const hashed: typeof plain = { product: [], 'JSON.parse': [] }
  for (let round = 0; round < ROUNDS; round++) {
    for (const way of ways) {
      plain[way].push(await run(way, String(SAMPLE)))
      hashed[way].push(await run(way, String(SAMPLE), 'MD5'))
    }
  }
  const row = (title: string, of: typeof plain, key: 'cpu' | 'extra' | 'longest') => {
    const [own, base] = [median(of.product.map(one => one[key])), median(of['JSON.parse'].map(one => one[key]))]
    return { own, cells: [title, short(base), short(own), short(own / base)] }
  }
  const cpu = row('CPU s', plain, 'cpu')
  const md5 = row('CPU s, MD5 compared by both', hashed, 'cpu')
  const extra = row('memory above the message, MiB', hashed, 'extra')
  const longest = row('longest block, ms', hashed, 'longest')
  return {
    title: 'A sample of 90 MB inside a message',
    text: 'From the bytes of the message to the decoded pieces of an upload. Baseline: `JSON.parse` and `Buffer.from`. The MD5 is calculated only for a message that names one, or to search for an earlier task.',
    head: ['figure', 'JSON.parse', 'product', 'ratio', 'met'],
    rows: [
      [...cpu.cells, atMost(Number(cpu.cells[3]), 0.3, ' ×')],
      [...md5.cells, ''],
      [...extra.cells, atMost(extra.own, 30)],
      [...longest.cells, atMost(longest.own, 50)],
    ],
  }
}

async function rates(amqp: string): Promise<Table> {
  await using cuckoo = await startCuckoo({
    analysisTime: Number.POSITIVE_INFINITY,
    machines: 1e6,
    singleThreaded: false,
  })
  await using crits = await startCrits({ keepLimit: 0 })
  const rows: string[][] = []
  for (const [size, count, prefetch] of [
    [2000, 1500, 10],
    [200_000, 400, 10],
    [200_000, 400, 1],
  ] as const) {
    const rates = await pairedRates(way => {
      cuckoo.clean()
      return movingRate(amqp, {
        service: way === 'own' ? 'feed_cuckoo' : child('bare-feed'),
        count,
        body: index => runCritsService(crits, { name: `${index}.exe`, bytes: randomBytes(size) }).body,
        config: { CuckooURL: cuckoo.url, CritsURL: crits.url, MaxPending: 1_000_000, PrefetchCount: prefetch },
      })
    })
    const { own, bare, ratio, ...costs } = rates
    const cells = [bare, own, ratio].map(short)
    rows.push([`${size}`, `${prefetch}`, ...cells, atLeast(ratio, 0.8), ...costCells(costs)])
  }
  return {
    title: 'Small samples',
    text: 'Samples per second with the queue filled beforehand. Baseline: get, POST, confirmed publish, ack with the same libraries; it asks nobody whether there is room and checks nothing.',
    head: ['bytes', 'prefetch', 'bare /s', 'product /s', 'ratio', 'met', ...COST_HEAD],
    rows,
  }
}

export async function feed({ amqp }: Bench): Promise<Table[]> {
  return [await decoding(), await rates(amqp)]
}
