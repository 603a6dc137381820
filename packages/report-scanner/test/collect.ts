// A sink that keeps everything, and scans of bytes in memory.
import type {
  ApiCall,
  ReportInfo,
  ReportProcess,
  ReportSignature,
  ReportSink,
  ReportTarget,
  ScanOptions,
  ScanSummary,
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
}

export const OPTIONS: ScanOptions = {
  sections: { info: true, signatures: true, behavior: true },
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
  for (const count of summary.unreadCalls.values()) unread += count
  return { rows, summary, unread }
}
