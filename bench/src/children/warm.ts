// warm.js URL ROUNDS: what one report costs a process that has read others before.
import { ReportScanner } from '@cuckoo-distributed/report-scanner'
import { request } from 'undici'
import { tell } from '../usage.js'
import { download } from '../ways/download.js'
import { wantedOf } from '../ways/parse.js'
import { Counter, OPTIONS, scan } from '../ways/scan.js'

/** Milliseconds of every round: over HTTP by the clock, from memory of processor time. */
export interface WarmRounds {
  readonly download: number[]
  readonly scan: number[]
  readonly scanMemory: number[]
  readonly parseMemory: number[]
  readonly bytes: number
}

/** Reports above this are too large to be parsed as a whole again and again. */
const PARSE_BYTES_MAX = 10_000_000
const CHUNK = 65_536

function scanMemory(bytes: Buffer): void {
  const scanner = new ReportScanner(OPTIONS, new Counter())
  for (let at = 0; at < bytes.length; at += CHUNK) scanner.push(bytes.subarray(at, at + CHUNK))
  scanner.end()
}

async function timed(milliseconds: number[], work: () => Promise<unknown>): Promise<void> {
  const start = performance.now()
  await work()
  milliseconds.push(performance.now() - start)
}

function cost(milliseconds: number[], work: () => unknown): void {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  milliseconds.push((user + system) / 1000)
}

const [, , url = '', rounds = ''] = process.argv
const { body } = await request(url)
const bytes = Buffer.from(await body.arrayBuffer())
const result: WarmRounds = { download: [], scan: [], scanMemory: [], parseMemory: [], bytes: bytes.length }
for (let round = 0; round < Number(rounds); round++) {
  await timed(result.download, () => download(url))
  await timed(result.scan, () => scan(url))
  cost(result.scanMemory, () => scanMemory(bytes))
  if (bytes.length <= PARSE_BYTES_MAX) cost(result.parseMemory, () => wantedOf(JSON.parse(bytes.toString())))
}
tell(result)
process.exit()
