// What a report says, as rows for CRITs. Fields and value types are the Go suite's: texts, but for `repeated` and `id`; those of the network are
// what crits/crits_services:cuckoo_service/__init__.py writes.
import { cutText, type ResultRow, type RowStore, type Subtype } from '@cuckoo-distributed/crits-client'
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
  StoredFile,
} from '@cuckoo-distributed/report-scanner'
import type { Parser } from './config.js'
import { StoredFiles } from './stored-files.js'

/** Errors of a sandbox that are kept for CRITs' log. */
const ERRORS_MAX = 20
const ERROR_CHARS_MAX = 500

export interface ReportRowsOptions {
  readonly parsers: readonly Parser[]
  /** Where the sandbox shows its analyses to people; without it, rows have its number of the analysis. */
  readonly webUrl?: string | undefined
}

/** Keeps the rows of the enabled parsers in the store, and what CRITs' log is to tell. */
export class ReportRows implements ReportSink {
  info: ReportInfo | undefined
  target: ReportTarget | undefined
  status = ''
  readonly errors: string[] = []
  /** Errors of the sandbox besides `errors`. */
  moreErrors = 0
  readonly stored = new StoredFiles()
  /** Rows that did not fit, API calls not counted; CRITs' log names them. */
  readonly leftOut = new Map<Subtype, number>()
  readonly #store: RowStore
  readonly #options: ReportRowsOptions

  constructor(store: RowStore, options: ReportRowsOptions) {
    this.#store = store
    this.#options = options
  }

  onInfo(info: ReportInfo): void {
    this.info = info
    if (!this.#wants('info')) return
    const { started, ended, id, machine } = info
    const { webUrl } = this.#options
    // Without the slash at its end, CAPE sends the reader to its first page.
    const where = webUrl === undefined ? { analysis_id: id } : { 'analysis link': `${webUrl}/analysis/${id}/` }
    this.#add({ subtype: 'info', result: machine, fields: { started, ended, ...where } })
  }

  onTarget(target: ReportTarget): void {
    this.target = target
  }

  onError(text: string): void {
    if (this.errors.length < ERRORS_MAX) this.errors.push(cutText(text, ERROR_CHARS_MAX))
    else this.moreErrors += 1
  }

  onVerdict({ score, status }: ReportVerdict): void {
    this.status = status
    if (score !== '' && this.#wants('detections')) this.#add({ subtype: 'score', result: score, fields: { status } })
  }

  onSignature({ description, severity, name }: ReportSignature): void {
    this.#add({ subtype: 'signature', result: description, fields: { severity, name } })
  }

  onDetection({ family, engine }: ReportDetection): void {
    this.#add({ subtype: 'detection', result: family, fields: { engine } })
  }

  onTechnique({ technique, signature }: ReportTechnique): void {
    this.#add({ subtype: 'ttp', result: technique, fields: { signature } })
  }

  onConfig({ family, key, value }: ReportConfigValue): void {
    this.#add({ subtype: 'config', result: value, fields: { key, family } })
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

  onHost(ip: string): void {
    this.#add({ subtype: 'Host', result: ip })
  }

  onDomain({ domain, ip }: ReportDomain): void {
    this.#add({ subtype: 'Domain', result: domain, fields: { ip } })
    if (ip !== '') this.#add({ subtype: 'Resolved IP', result: ip, fields: { domain } })
  }

  onHttp(request: ReportHttpRequest): void {
    const agent = request['user-agent']
    if (request.uri !== '') this.#add({ subtype: 'HTTP Request', result: request.uri, fields: { ...request } })
    if (agent !== '') this.#add({ subtype: 'User-Agent', result: agent })
  }

  onStoredFile(file: StoredFile): void {
    this.stored.add(file)
  }

  #wants(parser: Parser): boolean {
    return this.#options.parsers.includes(parser)
  }

  #add(row: ResultRow): void {
    if (this.#store.add(row) || row.subtype === 'api_call') return
    this.leftOut.set(row.subtype, (this.leftOut.get(row.subtype) ?? 0) + 1)
  }
}
