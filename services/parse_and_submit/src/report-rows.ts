// What a report says, as rows for CRITs. Fields and value types are the Go suite's: texts, but for `repeated` and `id`.
import type { ResultRow, RowStore, Subtype } from '@cuckoo-distributed/crits-client'
import type {
  ApiCall,
  ReportInfo,
  ReportProcess,
  ReportSignature,
  ReportSink,
  ReportTarget,
  ResetSection,
} from '@cuckoo-distributed/report-scanner'

const SUBTYPES = {
  signatures: ['signature'],
  processes: ['process', 'api_call'],
  files: ['file'],
  keys: ['registry_key'],
  mutexes: ['mutex'],
} as const satisfies Record<Exclude<ResetSection, 'calls'>, readonly Subtype[]>

export class ReportRows implements ReportSink {
  target: ReportTarget | undefined
  /** Every report has this section; other JSON objects are an error of Cuckoo, or of a proxy, with status 200. */
  hasInfo = false
  /** Rows that did not fit, API calls not counted; CRITs' log names them. */
  readonly leftOut = new Map<Subtype, number>()
  readonly #store: RowStore
  readonly #wantsInfo: boolean
  #callsBeforeProcess = 0

  constructor(store: RowStore, wantsInfo: boolean) {
    this.#store = store
    this.#wantsInfo = wantsInfo
  }

  onInfo(info: ReportInfo): void {
    this.hasInfo = true
    if (!this.#wantsInfo) return
    const fields = { started: info.started, ended: info.ended, analysis_id: info.id }
    this.#add({ subtype: 'info', result: info.machine, fields })
  }

  onTarget(target: ReportTarget): void {
    this.target = target
  }

  onSignature({ description, severity, name }: ReportSignature): void {
    this.#add({ subtype: 'signature', result: description, fields: { severity, name } })
  }

  onProcess({ name, pid, parentPid, firstSeen }: ReportProcess): void {
    const fields = { process_id: pid, parent_id: parentPid, first_seen: firstSeen }
    this.#add({ subtype: 'process', result: name, fields })
    this.#callsBeforeProcess = this.#store.count('api_call')
  }

  onCall(call: ApiCall, process: string): void {
    const { category, timestamp, thread_id, repeated, api, id } = call
    const fields = {
      category,
      status: String(call.status),
      return: call.return,
      timestamp,
      thread_id,
      repeated,
      api,
      id,
      process,
      arguments: call.arguments.map(({ name, value }) => ({ name, value })),
    }
    this.#add({ subtype: 'api_call', result: api, fields })
  }

  onFile(path: string): void {
    this.#add({ subtype: 'file', result: path })
  }

  onKey(key: string): void {
    this.#add({ subtype: 'registry_key', result: key })
  }

  onMutex(name: string): void {
    this.#add({ subtype: 'mutex', result: name })
  }

  reset(section: ResetSection): void {
    if (section === 'calls') {
      this.#store.truncate('api_call', this.#callsBeforeProcess)
      return
    }
    for (const subtype of SUBTYPES[section]) {
      this.#store.truncate(subtype, 0)
      this.leftOut.delete(subtype)
    }
    if (section === 'processes') this.#callsBeforeProcess = 0
  }

  #add(row: ResultRow): void {
    if (this.#store.add(row) || row.subtype === 'api_call') return
    this.leftOut.set(row.subtype, (this.leftOut.get(row.subtype) ?? 0) + 1)
  }
}
