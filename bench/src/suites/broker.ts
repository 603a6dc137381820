// The way through the broker: consume, forward, confirm, ack.
import { randomFillSync } from 'node:crypto'
import type { Bench } from '../bench.js'
import { child, movingRate, type Rate } from '../queues.js'
import { median } from '../statistics.js'
import { atLeast, short, type Table } from '../table.js'

const ROUNDS = 3
const PREFETCH = 100

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

export async function broker({ amqp }: Bench): Promise<Table[]> {
  const rows: string[][] = []
  for (const [size, count] of [
    [1000, 10_000],
    [100_000, 3000],
  ] as const) {
    const body = randomFillSync(Buffer.alloc(size))
    const rates = await pairedRates(way =>
      movingRate(amqp, {
        service: child(way === 'own' ? 'relay' : 'bare-relay'),
        count,
        body: () => body,
        config: { PrefetchCount: PREFETCH },
      }),
    )
    const { own, bare, ratio, ...costs } = rates
    rows.push([`${size}`, ...[bare, own, ratio].map(short), atLeast(ratio, 0.7), ...costCells(costs)])
  }
  return [
    {
      title: 'Consume and forward, prefetch 100',
      text: 'Messages per second from one queue to another, each confirmed before its ack. Baseline: the same with bare amqplib.',
      head: ['bytes', 'amqplib /s', 'product /s', 'ratio', 'met', ...COST_HEAD],
      rows,
    },
  ]
}
