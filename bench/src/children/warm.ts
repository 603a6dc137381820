// warm.js URL ROUNDS: what one report costs a process that has read others before; milliseconds of each round.
import { ReportScanner } from '@cuckoo-distributed/report-scanner'
import { request } from 'undici'
import { tell } from '../usage.js'
import { Counter, download, OPTIONS, scan, wantedOf } from './extract.js'

/** Milliseconds of every round. */
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

async function timed(milliseconds: number[], work: () => unknown): Promise<void> {
  const start = performance.now()
  await work()
  milliseconds.push(performance.now() - start)
}

const [, , url = '', rounds = ''] = process.argv
const { body } = await request(url)
const bytes = Buffer.from(await body.arrayBuffer())
const result: WarmRounds = { download: [], scan: [], scanMemory: [], parseMemory: [], bytes: bytes.length }
for (let round = 0; round < Number(rounds); round++) {
  await timed(result.download, () => download(url))
  await timed(result.scan, () => scan(url))
  await timed(result.scanMemory, () => scanMemory(bytes))
  if (bytes.length <= PARSE_BYTES_MAX) await timed(result.parseMemory, () => wantedOf(JSON.parse(bytes.toString())))
}
tell(result)
process.exit()
