// A strict stand-in for CRITs' API: a client that works with it works with the real one.
import { randomBytes, randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { FaultScript, Outage, playFault } from '../faults.js'
import { type Answer, htmlAnswer } from './answers.js'
import type { CritsUser, Profile } from './auth.js'
import type { JournalEntry, Violation } from './journal.js'
import { respond, type Site } from './router.js'
import { CritsStore, contentOf, type StoredAnalysis, type StoredResult, type StoredSample } from './store.js'

export interface CritsOptions {
  /** `2015` is December 2015, `stable` is stable_4 (2019), `master` the last commit. Default `master`. */
  profile?: Profile
  /** Django's debug mode: error texts and tracebacks in answers. Default false. */
  debug?: boolean
  /** Accounts. Default: one user `alice` with a random key who may read and write the source `Internal`. */
  users?: readonly CritsUser[]
  /** Default 127.0.0.1. */
  host?: string
  /** Default 0: a free port, which is kept over `down` and `up`. */
  port?: number
  /** Bodies above this many bytes are answered 413 by a proxy that does not read them. Default: no limit. */
  proxyBodyLimit?: number
  /** Answers every request with a redirect to https. Default false. */
  httpsRedirect?: boolean
  /** Uploaded files up to this many bytes are kept, of larger ones digests and size. Default 1 MiB. */
  keepLimit?: number
  /** Largest AnalysisResult document in bytes. Default 16 MiB, MongoDB's limit. */
  documentLimit?: number
  /** What the JSON of a sample holds: its content, or the id of a file, as before June 2016. Default `content`. */
  filedata?: 'content' | 'id'
  /** Milliseconds that `?file=1` takes. Default 1000. */
  zipWait?: number
  /** Lets parallel uploads of one new file make two samples. Default false. */
  uploadRace?: boolean
}

export interface CritsStandIn extends AsyncDisposable {
  /** `http://host:port`, without a slash at the end. */
  readonly url: string
  readonly users: readonly CritsUser[]
  /** Analyses by id. */
  readonly analyses: ReadonlyMap<string, StoredAnalysis>
  /** Samples by object id. */
  readonly samples: ReadonlyMap<string, StoredSample>
  /** Uploads that were taken for network captures. */
  readonly pcaps: CritsStore['pcaps']
  readonly screenshots: CritsStore['screenshots']
  readonly journal: readonly JournalEntry[]
  /** Breaches that real CRITs would not answer with an error. Empty for a correct client. */
  readonly violations: readonly Violation[]
  readonly faults: FaultScript
  /** Uploads that a gateway answers with a status, whatever else it lets through: MD5 of the file to status. */
  readonly failingUploads: Map<string, number>
  sampleByMd5(md5: string): StoredSample | undefined
  /** Rows that equal an earlier row of the same analysis. */
  duplicateResults(analysisId: string): StoredResult[]
  /** Puts a sample there as if an analyst had uploaded it. `source` defaults to the first user's first. */
  addSample(sample: { bytes: Buffer; name?: string; source?: string; description?: string }): StoredSample
  /** What CRITs does when a service is run: inserts the AnalysisResult. `id` defaults to a random UUID. */
  startAnalysis(analysis: { objectId: string; id?: string }): StoredAnalysis
  /** What becomes of an analysis that an analyst deletes: CRITs does not know its id any more. */
  deleteAnalysis(id: string): void
  /** Cuts all connections; new ones are refused. */
  down(): Promise<void>
  /** Ends `down`, on the same port. */
  up(): Promise<void>
  /** Ends the stand-in; waits that are under way are aborted. */
  close(): Promise<void>
}

/** Starts the stand-in. Rejects with the system's error when the port cannot be used. */
export async function startCrits(options: CritsOptions = {}): Promise<CritsStandIn> {
  const { host = '127.0.0.1', port = 0, proxyBodyLimit = Number.POSITIVE_INFINITY } = options
  const violations: Violation[] = []
  const journal: JournalEntry[] = []
  const faults = new FaultScript()
  const stop = new AbortController()
  const failingUploads = new Map<string, number>()
  const site = makeSite({ ...options, failingUploads }, violations, stop.signal)
  const server = createServer((request, response) => {
    answerRequest(request, response, { site, faults, journal, proxyBodyLimit }).catch((error: unknown) => {
      // Whoever went away, or was cut off by a fault or by `down`, gets no answer.
      if (stop.signal.aborted || request.socket.destroyed || response.destroyed) return
      request.socket.destroy()
      process.nextTick(() => {
        throw error
      })
    })
  })
  const outage = new Outage(server, host, port)
  await outage.up()
  const close = async () => {
    stop.abort()
    await outage.down()
  }
  const { store, users } = site
  return {
    url: `http://${host}:${outage.port}`,
    users,
    analyses: store.analyses,
    samples: store.samples,
    pcaps: store.pcaps,
    screenshots: store.screenshots,
    journal,
    violations,
    faults,
    failingUploads,
    sampleByMd5: md5 => store.sampleByMd5(md5),
    duplicateResults: id => duplicates(store.analyses.get(id)?.results ?? []),
    addSample: sample => plantSample(site, sample),
    startAnalysis: ({ objectId, id = randomUUID() }) => store.insertAnalysis(id, objectId),
    deleteAnalysis: id => store.deleteAnalysis(id),
    down: () => outage.down(),
    up: () => outage.up(),
    close,
    [Symbol.asyncDispose]: close,
  }
}

function makeSite(
  options: CritsOptions & Pick<Site, 'failingUploads'>,
  violations: Violation[],
  signal: AbortSignal,
): Site {
  const report: Site['report'] = (rule, message) => violations.push({ rule, message })
  return {
    store: new CritsStore(options.documentLimit ?? 16 * 1024 * 1024, report),
    users: options.users ?? [
      { name: 'alice', keys: [randomBytes(20).toString('hex')], sources: [{ name: 'Internal' }] },
    ],
    profile: options.profile ?? 'master',
    debug: options.debug ?? false,
    httpsRedirect: options.httpsRedirect ?? false,
    failingUploads: options.failingUploads,
    filedata: options.filedata ?? 'content',
    keepLimit: options.keepLimit ?? 1024 * 1024,
    uploadRace: options.uploadRace ?? false,
    zipWait: options.zipWait ?? 1000,
    report,
    signal,
  }
}

interface Front {
  readonly site: Site
  readonly faults: FaultScript
  readonly journal: JournalEntry[]
  readonly proxyBodyLimit: number
}

async function answerRequest(request: IncomingMessage, response: ServerResponse, front: Front): Promise<void> {
  const { site, faults, journal, proxyBodyLimit } = front
  const entry = journalEntry(request)
  journal.push(entry)
  if (Number(request.headers['content-length'] ?? 0) > proxyBodyLimit) {
    return send(response, htmlAnswer(413, '413 Request Entity Too Large', { connection: 'close' }), entry)
  }
  const fault = faults.take(entry.method, entry.path)
  if (fault !== undefined) entry.fault = fault.kind
  if ((await playFault(fault, request, response, site.signal)) === 'over') return
  const answer = await respond(request, entry, site)
  if (fault?.kind === 'lostAfterStore') request.socket.destroy()
  else await send(response, answer, entry)
}

function journalEntry(request: IncomingMessage): JournalEntry {
  const url = new URL(request.url ?? '/', 'http://crits.invalid')
  return {
    method: request.method ?? 'GET',
    path: url.pathname,
    contentType: request.headers['content-type'],
    headerNames: Object.keys(request.headers),
    queryNames: [...url.searchParams.keys()],
    fields: [],
  }
}

async function send(response: ServerResponse, answer: Answer, entry: JournalEntry): Promise<void> {
  const { status, headers, body } = answer
  entry.status = status
  if (answer.returnCode !== undefined) entry.returnCode = answer.returnCode
  const length = typeof body === 'string' ? Buffer.byteLength(body) : (answer.length ?? 0)
  response.writeHead(status, { ...headers, 'content-length': length })
  if (typeof body === 'string') response.end(body)
  else await pipeline(Readable.from(body, { objectMode: false }), response)
}

function duplicates(rows: readonly StoredResult[]): StoredResult[] {
  const seen = new Set<string>()
  return rows.filter(row => {
    const entries = Object.entries(row).sort(([left], [right]) => (left < right ? -1 : 1))
    const identity = JSON.stringify(entries, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value))
    const known = seen.has(identity)
    seen.add(identity)
    return known
  })
}

function plantSample(
  { store, users }: Site,
  { bytes, name = 'sample.exe', source, description }: Parameters<CritsStandIn['addSample']>[0],
): StoredSample {
  const content = contentOf(bytes)
  const sample = store.insertSample(content.md5, name, content)
  sample.description = description
  const sourceName = source ?? users[0]?.sources[0]?.name ?? 'Internal'
  store.addSource(sample, sourceName, {
    analyst: users[0]?.name ?? '',
    method: 'File Upload',
    reference: '',
    tlp: 'amber',
  })
  return sample
}
