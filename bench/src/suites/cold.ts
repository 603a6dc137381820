// From the start of a process to "consuming".
import { randomUUID } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { builtService, startCuckoo, startService, TestBroker } from '@cuckoo-distributed/testing'
import type { Bench } from '../bench.js'
import { median } from '../statistics.js'
import { atMost, short, type Table } from '../table.js'

const ROUNDS = 5

export const SERVICES = ['feed_cuckoo', 'check_results', 'parse_and_submit', 'overseer'] as const

export async function cold({ amqp }: Bench): Promise<Table[]> {
  await using cuckoo = await startCuckoo()
  const broker = await TestBroker.connect(amqp)
  const rows: string[][] = []
  for (const name of SERVICES) {
    const [cpu, wall, memory]: [number[], number[], number[]] = [[], [], []]
    for (let round = 0; round < ROUNDS; round++) {
      const prefix = `bench.${randomUUID()}`
      const queues = { ConsumerQueue: `${prefix}.in`, ProducerQueue: `${prefix}.out`, FailedQueue: `${prefix}.failed` }
      const own = name === 'feed_cuckoo' ? { CuckooURL: cuckoo.url } : {}
      const config =
        name === 'overseer' ? { ConsumerQueue: queues.FailedQueue, DumpDir: tmpdir() } : { ...queues, ...own }
      const start = performance.now()
      const service = await startService(name, { config: { Amqp: amqp, ...config } })
      await service.waitForLog('consuming', { deadlineMs: 30_000 })
      wall.push(performance.now() - start)
      cpu.push((await service.cpu()) / 1000)
      memory.push((await service.rss()).current / 1024 ** 2)
      await service.stop()
      const suffixes = ['', '.lost', ...[1, 10, 60, 300, 600].map(seconds => `.delay.${seconds}`)]
      for (const queue of Object.values(queues)) for (const suffix of suffixes) await broker.delete(queue + suffix)
    }
    const { size } = await stat(builtService(name))
    const seconds = median(cpu)
    const cells = [seconds, median(wall) / 1000, median(memory), size / 1e6].map(short)
    rows.push([name, ...cells, atMost(seconds, 0.5)])
  }
  await broker.close()
  return [
    {
      title: 'Cold start',
      text: `From the start of the process to "consuming", medians of ${ROUNDS}.`,
      head: ['service', 'CPU s', 'wall s', 'resident MiB', 'bundle MB', 'met'],
      rows,
    },
  ]
}
