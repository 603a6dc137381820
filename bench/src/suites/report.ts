// Reports: the product's extraction against downloading alone and JSON.parse.
import { type BigReportOptions, bigReport, spool } from '@cuckoo-distributed/testing'
import type { Bench } from '../bench.js'
import type { Pairs } from '../children/pairs.js'
import type { WarmRounds } from '../children/warm.js'
import { serve } from '../serve.js'
import { median } from '../statistics.js'
import { atLeast, atMost, short, type Table } from '../table.js'
import { type Run, runChild } from '../usage.js'
import type { Found } from '../ways/scan.js'
import { reportMemory } from './report-memory.js'

const MB = 1_000_000

interface Cost {
  readonly cpu: number
  readonly wall: number
  readonly peak: number
}

/** Medians of `rounds` runs of each way, the ways in turn so that a slow moment hits all of them. */
async function compare(ways: readonly string[], url: string, rounds: number): Promise<Map<string, Cost>> {
  const runs = new Map<string, Run<unknown>[]>(ways.map(way => [way, []]))
  for (let round = 0; round < rounds; round++) {
    for (const [way, list] of runs) list.push(await runChild('report', [way, url]))
  }
  const middle = (list: readonly Run<unknown>[], key: keyof Cost) => median(list.map(run => run[key]))
  return new Map(
    [...runs].map(([way, list]) => [
      way,
      { cpu: middle(list, 'cpu'), wall: middle(list, 'wall'), peak: middle(list, 'peak') },
    ]),
  )
}

function costRows(costs: ReadonlyMap<string, Cost>, baseline: string): string[][] {
  const base = costs.get(baseline)
  return [...costs].map(([way, { cpu, wall, peak }]) => [
    way,
    short(cpu),
    short(wall),
    short(peak),
    short(cpu / (base?.cpu ?? Number.NaN)),
    short(wall / (base?.wall ?? Number.NaN)),
  ])
}

const HEAD = ['way', 'CPU s', 'wall s', 'peak MiB', 'CPU ÷ baseline', 'wall ÷ baseline']

async function withReport<T>(options: BigReportOptions, use: (url: string) => Promise<T>): Promise<T> {
  await using body = await spool(bigReport(options))
  await using served = await serve(body)
  return await use(served.url)
}

async function large(): Promise<Table[]> {
  const [costs, warm] = await withReport({ bytes: 500 * MB }, async url => [
    await compare(['download', 'scan', 'JSON.parse'], url, 3),
    (await runChild<WarmRounds>('warm', [url, '5'])).result,
  ])
  const [parse, scan, download] = ['JSON.parse', 'scan', 'download'].map(way => costs.get(way))
  const ratio = (key: keyof Cost) => (scan?.[key] ?? Number.NaN) / (parse?.[key] ?? Number.NaN)
  const more = (scan?.peak ?? Number.NaN) - (download?.peak ?? Number.NaN)
  const warmRatio = median(warm.scan.map((ms, at) => ms / (warm.download[at] ?? Number.NaN)))
  const speed = warm.bytes / 1e6 / median(warm.scanMemory)
  return [
    {
      title: 'A report of 500 MB over loopback HTTP, whole process',
      text: 'Medians of three runs in turn. Baseline of the ratios: `JSON.parse`. `download` reads the bytes and drops them.',
      head: HEAD,
      rows: costRows(costs, 'JSON.parse'),
    },
    {
      title: 'Targets at 500 MB',
      text: 'Warm: in one process that has read others before, medians of five rounds; from memory in processor time.',
      head: ['figure', 'value', 'met'],
      rows: [
        ['CPU ÷ JSON.parse', short(ratio('cpu')), atMost(ratio('cpu'), 0.25)],
        ['wall ÷ JSON.parse', short(ratio('wall')), atMost(ratio('wall'), 0.3)],
        ['peak above download, MiB', short(more), atMost(more, 20)],
        ['warm wall ÷ download', short(warmRatio), atMost(warmRatio, 1.35)],
        ['warm, from memory, GB per CPU s', short(speed), atLeast(speed, 1.5)],
      ],
    },
  ]
}

async function small(): Promise<Table> {
  const { result } = await withReport({ bytes: MB }, url => runChild<WarmRounds>('warm', [url, '100']))
  const ratio = median(result.scanMemory.map((ms, at) => ms / (result.parseMemory[at] ?? Number.NaN)))
  return {
    title: 'A report of 1 MB from memory, warm',
    text: 'Nearly all of it is wanted, so both do the same work: medians of 100 rounds in turn, processor time.',
    head: ['scan CPU ms', 'JSON.parse CPU ms', 'ratio', 'met'],
    rows: [[short(median(result.scanMemory)), short(median(result.parseMemory)), short(ratio), atMost(ratio, 1.5)]],
  }
}

async function shapes(): Promise<Table> {
  const rows: string[][] = []
  for (const version of ['1.2', '2.0', 'CAPE'] as const) {
    for (const format of ['pretty', 'compact', 'minified'] as const) {
      const row = await withReport({ bytes: 50 * MB, version, format }, async url => {
        const { result } = await runChild<WarmRounds>('warm', [url, '5'])
        const { cpu, peak } = await runChild('report', ['scan', url])
        const milliseconds = median(result.scanMemory)
        return [milliseconds, result.bytes / 1e6 / milliseconds, cpu, peak].map(short)
      })
      rows.push([version, format, ...row])
    }
  }
  return {
    title: 'Shapes of reports, 50 MB',
    text: 'In the layouts of Cuckoo 1.2, Cuckoo 2.0 and CAPE. From memory, warm: medians of five rounds; over loopback HTTP: a whole process, one run.',
    head: ['sandbox', 'format', 'from memory, CPU ms', 'GB per CPU s', 'over HTTP, CPU s', 'peak MiB'],
    rows,
  }
}

async function cape(): Promise<Table> {
  const bytes = 75 * MB
  const costs = await withReport({ bytes, version: 'CAPE' }, url => compare(['download', 'scan'], url, 3))
  const pairs = await withReport({ bytes }, first =>
    withReport({ bytes, version: 'CAPE' }, async second => {
      const runs: Pairs[] = []
      for (let run = 0; run < 3; run++) runs.push((await runChild<Pairs>('pairs', [first, second, '41'])).result)
      return runs
    }),
  )
  const speeds = pairs.flatMap(({ second }) => second)
  const ratios = pairs.flatMap(({ first, second }) => second.map((speed, at) => speed / (first[at] ?? Number.NaN)))
  const perCall = median(ratios) * (pairs[0]?.calls ?? Number.NaN)
  const more = (costs.get('scan')?.peak ?? Number.NaN) - (costs.get('download')?.peak ?? Number.NaN)
  return {
    title: 'A report of CAPE of 75 MB, as large as the largest on record',
    text: 'All parsers. The peak: over loopback HTTP, whole process, medians of three runs. The speed: from the same memory, warm, medians of 123 pairs with a report of Cuckoo 1.2 of the same size, in turn, in three processes; why the bar is per call: decision 0054.',
    head: ['figure', 'value', 'met'],
    rows: [
      ['peak above download, MiB', short(more), atMost(more, 20)],
      ['GB per CPU s', short(median(speeds) / 1e3), ''],
      ['bytes per CPU s ÷ those of 1.2', short(median(ratios)), ''],
      ['API calls per CPU s ÷ those of 1.2', short(perCall), atLeast(perCall, 1)],
    ],
  }
}

async function longStrings(): Promise<Table> {
  const rows: string[][] = []
  for (const place of ['unwanted', 'argument'] as const) {
    const row = await withReport({ bytes: 120 * MB, longString: { place, bytes: 100 * MB } }, async url => {
      const download = await runChild('report', ['download', url])
      const scan = await runChild<Found>('report', ['scan', url])
      const more = scan.peak - download.peak
      return [
        ...[download.cpu, scan.cpu, scan.peak].map(short),
        `${scan.result.cutValues}`,
        `${short(more)} MiB ${atMost(more, 20)}`,
      ]
    })
    rows.push([place === 'unwanted' ? 'that nobody wants' : 'that is the argument of a wanted call', ...row])
  }
  return {
    title: 'A string of 100 MB in a report of 120 MB, over loopback HTTP, whole process',
    text: 'One run each. A wanted string is cut to 64 KiB, and the result says how many were.',
    head: ['string', 'download CPU s', 'scan CPU s', 'scan peak MiB', 'strings cut', 'peak above download'],
    rows,
  }
}

async function huge(): Promise<Table> {
  const costs = await withReport({ bytes: 1200 * MB }, url => compare(['download', 'scan'], url, 1))
  return {
    title: 'A report of 1.2 GB over loopback HTTP, whole process',
    text: 'One run each; `JSON.parse` cannot read it, as no string is that long. Baseline: `download`.',
    head: HEAD,
    rows: costRows(costs, 'download'),
  }
}

export async function report({ amqp }: Bench): Promise<Table[]> {
  const tables = [...(await large()), await huge(), await small(), await shapes(), await cape(), await longStrings()]
  return [...tables, await reportMemory(amqp)]
}
