// What a report says, as rows for CRITs. Fields and value types are the Go suite's: texts, but for `repeated` and `id`.
import type { ResultRow, RowStore, Subtype } from '@cuckoo-distributed/crits-client'
import type {
  ApiCall,
  ReportInfo,
  ReportProcess,
  ReportSignature,
  ReportSink,
  ReportTarget,
} from '@cuckoo-distributed/report-scanner'

export class ReportRows implements ReportSink {
  target: ReportTarget | undefined
  /** Rows that did not fit, API calls not counted; CRITs' log names them. */
  readonly leftOut = new Map<Subtype, number>()
  readonly #store: RowStore

  constructor(store: RowStore) {
    this.#store = store
  }

  onInfo(info: ReportInfo): void {
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
      arguments: call.arguments,
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

  #add(row: ResultRow): void {
    if (this.#store.add(row) || row.subtype === 'api_call') return
    this.leftOut.set(row.subtype, (this.leftOut.get(row.subtype) ?? 0) + 1)
  }
}
