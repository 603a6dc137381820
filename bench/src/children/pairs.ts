// pairs.js URL URL ROUNDS: two reports in turn, from the same memory, in a process that has read them before.
import { ReportScanner } from '@cuckoo-distributed/report-scanner'
import { request } from 'undici'
import { tell } from '../usage.js'
import { Counter, OPTIONS } from '../ways/scan.js'

export interface Pairs {
  /** Bytes per microsecond of processor time, one figure for each round. */
  readonly first: number[]
  readonly second: number[]
  /** API calls per byte of the second report, divided by those of the first. */
  readonly calls: number
}

const CHUNK = 65_536
/** Rounds until the code is compiled. */
const WARM_UP = 3

async function read(url: string): Promise<Buffer> {
  const { body } = await request(url)
  return Buffer.from(await body.arrayBuffer())
}

/** API calls per byte. */
function callsOf(report: Buffer): number {
  let calls = 0
  for (let at = report.indexOf('"api":'); at !== -1; at = report.indexOf('"api":', at + 1)) calls++
  return calls / report.length
}

function speedOf(bytes: Buffer): number {
  const before = process.cpuUsage()
  const scanner = new ReportScanner(OPTIONS, new Counter())
  for (let at = 0; at < bytes.length; at += CHUNK) scanner.push(bytes.subarray(at, at + CHUNK))
  scanner.end()
  const { user, system } = process.cpuUsage(before)
  return bytes.length / (user + system)
}

const [, , firstUrl = '', secondUrl = '', rounds = ''] = process.argv
const reports = [await read(firstUrl), await read(secondUrl)] as const
// Where a buffer lies makes up to 5 % of the time: both are read from one.
const memory = Buffer.alloc(Math.max(reports[0].length, reports[1].length))
const speed = (report: Buffer): number => speedOf(memory.subarray(0, report.copy(memory)))
const result: Pairs = { first: [], second: [], calls: callsOf(reports[1]) / callsOf(reports[0]) }
for (let round = 0; round < WARM_UP + Number(rounds); round++) {
  const order = round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)
  for (const at of order) {
    const measured = speed(reports[at])
    if (round >= WARM_UP) (at === 0 ? result.first : result.second).push(measured)
  }
}
tell(result)
process.exit()
