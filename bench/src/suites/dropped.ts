// Archives of dropped files: how long Cuckoo is kept busy, and what unpacking costs.
import { execFileSync } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { bigArchive, spool } from '@cuckoo-distributed/testing'
import type { Bench } from '../bench.js'
import type { Unpacked } from '../children/dropped.js'
import { serve } from '../serve.js'
import { median } from '../statistics.js'
import { atMost, short, type Table } from '../table.js'
import { runChild } from '../usage.js'
import { largeArchive } from './archive.js'

interface Told<T> {
  readonly result: T
  readonly ms: number
}

const MB = 1_000_000
const ROUNDS = 3

/** Processor seconds of a shell command, by the shell's own account of its children. */
function commandCpu(command: string): number {
  const lines = execFileSync('sh', ['-c', `${command}; times`], { encoding: 'utf8' })
    .trim()
    .split('\n')
  const seconds = [...(lines.at(-1) ?? '').matchAll(/(\d+)m([\d.]+)s/g)].map(([, m, s]) => Number(m) * 60 + Number(s))
  return seconds.reduce((sum, one) => sum + one, 0)
}

async function unpacking(compression: 'bz2' | 'gz', command: string): Promise<string[]> {
  const path = join(tmpdir(), `bench-${process.pid}.tar.${compression}`)
  await pipeline(bigArchive({ files: 60, bytesEach: MB, compression }), createWriteStream(path, { mode: 0o600 }))
  try {
    const [ratios, baseline, own, p99, grown]: [number[], number[], number[], number[], number[]] = [[], [], [], [], []]
    const { cpu: start } = await runChild('nothing', [])
    for (let round = 0; round < ROUNDS; round++) {
      const base = commandCpu(`${command} < ${path} > /dev/null`)
      const { cpu, peak, result } = await runChild<Told<Unpacked>>('dropped', ['unpack', path])
      baseline.push(base)
      own.push(cpu - start)
      ratios.push((cpu - start) / base)
      p99.push(result.result.p99)
      grown.push(peak - result.result.idle)
    }
    const ratio = median(ratios)
    return [
      ...[command, short(median(baseline)), short(median(own)), short(ratio)],
      compression === 'bz2' ? atMost(ratio, 1.5) : '',
      `${short(median(p99))} ms ${atMost(median(p99), 20)}`,
      `+${short(median(grown))} MiB ${atMost(median(grown), 50)}`,
    ]
  } finally {
    await rm(path)
  }
}

/** A network of 1 Gbit/s, and the loopback, where server, client and disk share two cores. */
const SPEEDS = [125 * MB, Number.POSITIVE_INFINITY]

async function busy(): Promise<Table> {
  await using body = await spool(bigArchive({ files: 300, bytesEach: MB, compression: 'none' }))
  const rows: string[][] = []
  for (const speed of SPEEDS) {
    await using served = await serve(body, speed)
    const [download, store]: [number[], number[]] = [[], []]
    for (let round = 0; round < ROUNDS; round++) {
      download.push((await runChild<Told<number>>('dropped', ['download', served.url])).result.ms)
      store.push((await runChild<Told<number>>('dropped', ['store', served.url])).result.ms)
    }
    const ratio = median(store.map((ms, at) => ms / (download[at] ?? Number.NaN)))
    const cells = [median(download), median(store), ratio].map(short)
    rows.push([Number.isFinite(speed) ? `${speed / MB} MB/s` : 'loopback', ...cells, atMost(ratio, 1.1)])
  }
  return {
    title: 'How long Cuckoo is busy with an archive of 300 MB',
    text: 'From the request to the last byte, which ends in an unlinked file; baseline: the same download with the bytes dropped.',
    head: ['speed', 'download ms', 'to the disk ms', 'ratio', 'met'],
    rows,
  }
}

export async function dropped({ amqp }: Bench): Promise<Table[]> {
  return [
    await busy(),
    {
      title: 'Unpacking 60 files of 1 MB',
      text: 'Unpacked, split into files and hashed (MD5), less the start of the process; the baseline unpacks only.',
      head: ['baseline', 'CPU s', 'own CPU s', 'ratio', 'met', 'event-loop delay p99', 'peak above idle'],
      rows: [await unpacking('bz2', 'bzip2 -dc'), await unpacking('gz', 'gzip -dc')],
    },
    await largeArchive(amqp),
  ]
}
