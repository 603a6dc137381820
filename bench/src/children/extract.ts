// The ways to get the wanted parts out of a report, the product's own and the baselines.
import { Readable } from 'node:stream'
import { HttpClient } from '@cuckoo-distributed/http'
import { type ReportSink, type ScanOptions, scanReport } from '@cuckoo-distributed/report-scanner'
import { JSONParser } from '@streamparser/json'
import chain from 'stream-chain'
import { parser } from 'stream-json'
import { pick } from 'stream-json/filters/pick.js'
import { streamValues } from 'stream-json/streamers/stream-values.js'
import { request } from 'undici'

export const MAX_CALLS = 1000
export const OPTIONS: ScanOptions = {
  sections: { info: true, signatures: true, behavior: true },
  maxCalls: MAX_CALLS,
  maxValueBytes: 65_536,
}

/** Counts what it is given. */
export class Counter implements Required<ReportSink> {
  values = 0
  readonly onInfo = () => this.#add()
  readonly onTarget = () => this.#add()
  readonly onSignature = () => this.#add()
  readonly onProcess = () => this.#add()
  readonly onCall = () => this.#add()
  readonly onFile = () => this.#add()
  readonly onKey = () => this.#add()
  readonly onMutex = () => this.#add()
  readonly reset = () => undefined

  #add(): void {
    this.values++
  }
}

/** Downloads without looking at a byte. */
export async function download(url: string): Promise<number> {
  const { body } = await request(url)
  let bytes = 0
  return new Promise((resolve, reject) => {
    body.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    body.on('end', () => resolve(bytes))
    body.on('error', reject)
  })
}

export async function scan(url: string): Promise<number> {
  const counter = new Counter()
  await using client = new HttpClient({ baseUrl: url, verifySsl: true })
  const response = await client.request({ method: 'GET', path: '/', signal: new AbortController().signal })
  await scanReport(response.stream(Number.POSITIVE_INFINITY), OPTIONS, counter)
  return counter.values
}

interface Report {
  readonly signatures: unknown[]
  readonly behavior: { readonly processes: { readonly calls: unknown[] }[]; readonly summary: object }
}

/** What `JSON.parse` has made of a report, cut down to what is wanted. */
export function wantedOf(report: Report): number {
  const { processes, summary } = report.behavior
  const calls = processes.flatMap(one => one.calls.slice(0, MAX_CALLS)).slice(0, MAX_CALLS)
  return report.signatures.length + processes.length + calls.length + Object.values(summary).flat().length
}

export async function parseWhole(url: string): Promise<number> {
  const { body } = await request(url)
  return wantedOf(JSON.parse(await body.text()))
}

const WANTED = ['$.info', '$.target.file', '$.signatures.*', '$.behavior.summary', '$.behavior.processes.*.calls.*']

/** `@streamparser/json`, told to keep nothing but the wanted values. */
export async function streamparser(url: string): Promise<number> {
  const { body } = await request(url)
  let values = 0
  const json = new JSONParser({ paths: WANTED, keepStack: false })
  json.onValue = () => {
    values++
  }
  body.on('data', chunk => json.write(chunk))
  return new Promise((resolve, reject) => {
    body.on('end', () => resolve(values))
    body.on('error', reject)
  })
}

/** `stream-json`, which assembles the wanted values only. */
export async function streamJson(url: string): Promise<number> {
  const { body } = await request(url)
  let [values, calls] = [0, 0]
  const isWanted = (stack: readonly (string | number | null)[]): boolean => {
    const [first, second, , fourth] = stack
    if (stack.length === 1) return first === 'info'
    if (stack.length === 2)
      return first === 'signatures' || (first === 'target' && second === 'file') || second === 'summary'
    return stack.length === 5 && second === 'processes' && fourth === 'calls' && calls++ < MAX_CALLS
  }
  const tokens = chain([
    Readable.from(body),
    parser({ streamValues: false }),
    pick({ filter: isWanted }),
    streamValues(),
  ])
  for await (const _ of tokens) values++
  return values
}
