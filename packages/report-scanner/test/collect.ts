// A sink that keeps everything, and scans of bytes in memory.
import { isDeepStrictEqual } from 'node:util'
import type {
  ApiCall,
  ReportConfigValue,
  ReportDetection,
  ReportDomain,
  ReportHttpRequest,
  ReportInfo,
  ReportProcess,
  ReportSignature,
  ReportSink,
  ReportTarget,
  ReportTechnique,
  ReportVerdict,
  ScanOptions,
  ScanSummary,
  StoredFile,
} from '../src/index.js'
import { ReportScanner } from '../src/index.js'

/** All rows of a report. */
export class Rows implements ReportSink {
  info: ReportInfo | undefined
  target: ReportTarget | undefined
  signatures: ReportSignature[] = []
  processes: ReportProcess[] = []
  calls: (ApiCall & { process: string })[] = []
  files: string[] = []
  keys: string[] = []
  mutexes: string[] = []
  errors: string[] = []
  verdict: ReportVerdict | undefined
  detections: ReportDetection[] = []
  techniques: ReportTechnique[] = []
  configs: ReportConfigValue[] = []
  hosts: string[] = []
  domains: ReportDomain[] = []
  requests: ReportHttpRequest[] = []
  stored: StoredFile[] = []

  onInfo(info: ReportInfo): void {
    this.info = info
  }
  onTarget(target: ReportTarget): void {
    this.target = target
  }
  onSignature(signature: ReportSignature): void {
    this.signatures.push(signature)
  }
  onProcess(process: ReportProcess): void {
    this.processes.push(process)
  }
  onCall(call: ApiCall, process: string): void {
    this.calls.push({ ...call, process })
  }
  onFile(path: string): void {
    this.files.push(path)
  }
  onKey(key: string): void {
    this.keys.push(key)
  }
  onMutex(name: string): void {
    this.mutexes.push(name)
  }
  onError(text: string): void {
    this.errors.push(text)
  }
  onVerdict(verdict: ReportVerdict): void {
    this.verdict = verdict
  }
  onDetection(detection: ReportDetection): void {
    this.detections.push(detection)
  }
  onTechnique(technique: ReportTechnique): void {
    this.techniques.push(technique)
  }
  onConfig(value: ReportConfigValue): void {
    this.configs.push(value)
  }
  onHost(ip: string): void {
    this.hosts.push(ip)
  }
  onDomain(domain: ReportDomain): void {
    this.domains.push(domain)
  }
  onHttp(request: ReportHttpRequest): void {
    this.requests.push(request)
  }
  onStoredFile(file: StoredFile): void {
    this.stored.push(file)
  }
}

const NOTHING: Readonly<Record<string, unknown>> = { ...new Rows() }

/** What a report has been found to hold. */
export function found(rows: Rows): Record<string, unknown> {
  const entries = Object.entries(rows).filter(([name, value]) => !isDeepStrictEqual(value, NOTHING[name]))
  return Object.fromEntries(entries)
}

export const OPTIONS: ScanOptions = {
  sections: { signatures: true, behavior: true, network: true, configs: true, detections: true, files: true },
  maxCalls: 1000,
  maxValueBytes: 65_536,
}

/** Scans `report`, given in pieces that end at `cuts`. Each piece is overwritten once it was read. */
export function scan(
  report: string | Buffer,
  options: Partial<ScanOptions> & { readonly cuts?: readonly number[] } = {},
): { rows: Rows; summary: ScanSummary; unread: number } {
  const { cuts = [], ...rest } = options
  const bytes = Buffer.from(report)
  const rows = new Rows()
  const scanner = new ReportScanner({ ...OPTIONS, ...rest }, rows)
  let from = 0
  for (const to of [...cuts, bytes.length]) {
    const piece = Buffer.from(bytes.subarray(from, to))
    scanner.push(piece)
    piece.fill('"')
    from = to
  }
  const summary = scanner.end()
  let unread = 0
  for (const count of summary.unread.values()) unread += count
  return { rows, summary, unread }
}
