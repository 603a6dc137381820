// The product's own way.
import { HttpClient } from '@cuckoo-distributed/http'
import { type ReportSink, type ScanOptions, scanReport } from '@cuckoo-distributed/report-scanner'
import { MAX_CALLS } from './max-calls.js'

export const OPTIONS: ScanOptions = {
  sections: { signatures: true, behavior: true, network: true, configs: true, detections: true, files: true },
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
  readonly onError = () => this.#add()
  readonly onVerdict = () => this.#add()
  readonly onDetection = () => this.#add()
  readonly onTechnique = () => this.#add()
  readonly onConfig = () => this.#add()
  readonly onHost = () => this.#add()
  readonly onDomain = () => this.#add()
  readonly onHttp = () => this.#add()
  readonly onStoredFile = () => this.#add()
  readonly reset = () => undefined

  #add(): void {
    this.values++
  }
}

/** What a scan has found: values, and strings that it has cut. */
export interface Found {
  readonly values: number
  readonly cutValues: number
}

export async function scan(url: string): Promise<Found> {
  const counter = new Counter()
  await using client = new HttpClient({ baseUrl: new URL(url), verifySsl: true })
  const response = await client.request({ method: 'GET', path: '/', signal: new AbortController().signal })
  const { cutValues } = await scanReport(response.stream(Number.POSITIVE_INFINITY), OPTIONS, counter)
  return { values: counter.values, cutValues }
}
