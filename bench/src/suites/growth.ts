// How the cost grows with what there is to do: larger reports, more tasks, longer queues.
import { bigReport, spool } from '@cuckoo-distributed/testing'
import type { Bench } from '../bench.js'
import { child, movingRate } from '../queues.js'
import { serve } from '../serve.js'
import { median } from '../statistics.js'
import { short, type Table } from '../table.js'
import { runChild } from '../usage.js'
import { watchTasks } from './watch.js'

type Point = readonly [number, number]

export async function growth(bench: Bench): Promise<Table[]> {
  return [await reports(bench), await tasks(bench), await queues(bench)]
}

async function reports({ curves }: Bench): Promise<Table> {
  const points: Record<'scan' | 'JSON.parse', Point[]> = { scan: [], 'JSON.parse': [] }
  const rows: string[][] = []
  for (const megabytes of [1, 10, 100, 400, 1200]) {
    await using body = await spool(bigReport({ bytes: megabytes * 1e6 }))
    await using served = await serve(body)
    const cells: string[] = []
    for (const way of ['scan', 'JSON.parse'] as const) {
      if (way === 'JSON.parse' && megabytes > 500) continue
      const { cpu, peak } = await runChild('report', [way, served.url])
      points[way].push([megabytes, peak])
      cells.push(short(cpu), short(peak))
    }
    rows.push([`${megabytes}`, ...cells, ...Array.from({ length: 4 - cells.length }, () => 'impossible')])
  }
  const lines = Object.entries(points).map(([name, list]) => ({ name, points: list }))
  curves.push({ title: 'Memory for one report', xLabel: 'report, MB', yLabel: 'peak, MiB', lines })
  return {
    title: 'Reports',
    text: 'Over loopback HTTP, whole process, one run each.',
    head: ['MB', 'scan CPU s', 'scan peak MiB', 'JSON.parse CPU s', 'JSON.parse peak MiB'],
    rows,
  }
}

async function tasks({ amqp, curves }: Bench): Promise<Table> {
  const own: Point[] = []
  const go: Point[] = []
  const rows: string[][] = []
  for (const count of [10, 100, 1000]) {
    const { lags, requests, cpu } = await watchTasks(amqp, count, 1)
    own.push([count, median(lags)])
    go.push([count, Math.max(0.1, (count * 5) / 2)])
    rows.push([`${count}`, ...[median(lags), (count * 5) / 2, requests, cpu].map(short)])
  }
  const lines = [
    { name: 'check_results', points: own },
    { name: 'Go suite', points: go },
  ]
  curves.push({ title: 'From reported to the next message', xLabel: 'watched tasks', yLabel: 'median, s', lines })
  return {
    title: 'Tasks',
    text: 'One instance, one request per 5 s; the Go suite by its law.',
    head: ['tasks', 'median s', 'Go suite s', 'requests /s', 'CPU ms per s'],
    rows,
  }
}

async function queues({ amqp, curves }: Bench): Promise<Table> {
  const points: Point[] = []
  const rows: string[][] = []
  for (const count of [1000, 10_000, 50_000]) {
    const { cpuMs, perSecond } = await movingRate(amqp, {
      service: child('relay'),
      count,
      body: () => Buffer.alloc(1000, 'x'),
    })
    points.push([count, cpuMs])
    rows.push([`${count}`, ...[perSecond, cpuMs].map(short)])
  }
  const lines = [{ name: 'consume and forward', points }]
  curves.push({ title: 'Cost of one message', xLabel: 'messages in the queue', yLabel: 'CPU, ms', lines })
  return {
    title: 'Queues',
    text: 'Messages of 1 KB moved by one process, prefetch 100; its start is part of the cost.',
    head: ['messages', 'per second', 'CPU ms per message'],
    rows,
  }
}
