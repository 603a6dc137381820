// What the events of the services cost them: the pipeline with `Events: true` and `false` in turn.
import type { Bench } from '../bench.js'
import { median } from '../statistics.js'
import { atMost, short, type Table } from '../table.js'
import { furtherSamples } from './pipeline.js'

const PAIRS = 5
const SERVICES = ['feed_cuckoo', 'check_results', 'parse_and_submit'] as const

export async function events({ amqp }: Bench): Promise<Table[]> {
  const [without, with_]: [number[][], number[][]] = [[], []]
  for (let pair = 0; pair < PAIRS; pair += 1) {
    // The second of a pair may meet another load: each is the first one in turn.
    for (const Events of pair % 2 === 0 ? [false, true] : [true, false]) {
      const { services } = await furtherSamples(amqp, { Events })
      const costs = SERVICES.map(name => services[name].ms)
      const all = costs.reduce((sum, ms) => sum + ms, 0)
      ;(Events ? with_ : without).push([...costs, all])
    }
  }
  const rows = [...SERVICES, 'all three'].map((title, at) => {
    const column = (rounds: number[][]) => rounds.map(costs => costs[at] ?? Number.NaN)
    const ratio = median(column(with_).map((ms, pair) => ms / (column(without)[pair] ?? Number.NaN)))
    const met = title === 'all three' ? atMost(ratio, 1.05) : ''
    return [title, short(median(column(without))), short(median(column(with_))), ratio.toFixed(3), met]
  })
  return [
    {
      title: 'Events, CPU ms per further sample',
      text: `Medians of ${PAIRS} pairs of the suite \`pipeline\`, and of their ratios. The overseer, which writes the events down, does not count.`,
      head: ['service', '`Events: false`', '`Events: true`', 'ratio', 'met'],
      rows,
    },
  ]
}
