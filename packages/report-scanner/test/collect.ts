// A sink that keeps everything, and scans of bytes in memory.
import type {
  ApiCall,
  ReportInfo,
  ReportProcess,
  ReportSignature,
  ReportSink,
  ReportTarget,
  ResetSection,
  ScanOptions,
  ScanSummary,
} from '../src/index.js'
import { ReportScanner } from '../src/index.js'
import { PlainSkipper, SimdSkipper, type Skipper } from '../src/skipper.js'

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
  #callsBefore = 0

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
    this.#callsBefore = this.calls.length
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
  reset(section: ResetSection): void {
    if (section === 'calls') this.calls.length = this.#callsBefore
    else this[section] = []
    if (section === 'processes') {
      this.calls = []
      this.#callsBefore = 0
    }
  }
}

export const OPTIONS: ScanOptions = {
  sections: { info: true, signatures: true, behavior: true },
  maxCalls: 1000,
  maxValueBytes: 65_536,
}

/** Both skippers, freshly made. */
export function skippers(): Skipper[] {
  const simd = SimdSkipper.create()
  if (simd === undefined)
    throw new Error('these tests need WebAssembly SIMD: compare both skippers on a machine that has it')
  return [simd, new PlainSkipper()]
}

/** Scans `report`, given in pieces that end at `cuts`. Each piece is overwritten once it was read. */
export function scan(
  report: string | Buffer,
  options: Partial<ScanOptions> & { readonly cuts?: readonly number[]; readonly skipper?: Skipper } = {},
): { rows: Rows; summary: ScanSummary } {
  const { cuts = [], skipper, ...rest } = options
  const bytes = Buffer.from(report)
  const rows = new Rows()
  const scanner = new ReportScanner({ ...OPTIONS, ...rest }, rows, skipper)
  let from = 0
  for (const to of [...cuts, bytes.length]) {
    const piece = Buffer.from(bytes.subarray(from, to))
    scanner.push(piece)
    piece.fill('"')
    from = to
  }
  return { rows, summary: scanner.end() }
}
