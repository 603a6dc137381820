// From a request to an answer, in the order Django, tastypie and CRITs look at things.
import type { IncomingMessage } from 'node:http'
import {
  type Answer,
  BadRequest,
  CritsCrash,
  crashAnswer,
  emptyAnswer,
  htmlAnswer,
  jsonAnswer,
  methodNotAllowed,
} from './answers.js'
import { authenticate, type CritsUser, type Profile } from './auth.js'
import { type FormData, type RequestBody, readBody, type UploadedFile } from './body.js'
import { BsonError } from './bson.js'
import type { JournalEntry, Report } from './journal.js'
import { addPcap } from './pcaps.js'
import { Py2LiteralError } from './py2-string.js'
import { forgeRelationship } from './relationships.js'
import { sampleDocument, sampleFields, sampleZip } from './sample-content.js'
import { addSample, type UploadRules } from './samples.js'
import { addScreenshot } from './screenshots.js'
import { addServiceData } from './services.js'
import { type CritsStore, DocumentTooLarge, isVisible, type StoredSample } from './store.js'

/** Everything a request is served with. */
export interface Site {
  readonly store: CritsStore
  readonly users: readonly CritsUser[]
  readonly profile: Profile
  readonly debug: boolean
  readonly httpsRedirect: boolean
  readonly filedata: 'content' | 'id'
  readonly failingUploads: ReadonlyMap<string, number>
  readonly keepLimit: number
  readonly uploadRace: boolean
  readonly zipWait: number
  readonly report: Report
  readonly signal: AbortSignal
}

interface Call {
  readonly site: Site
  readonly user: CritsUser
  readonly body: RequestBody
  readonly query: URLSearchParams
  /** The id in the path, `''` for a list. */
  readonly id: string
}

type Handler = (call: Call) => Answer | Promise<Answer>

interface Route {
  readonly path: RegExp
  readonly handlers: Readonly<Record<string, Handler>>
}

/** Methods are in the order of `allowed_methods`, which is that of a 405's body. */
const ROUTES: readonly Route[] = [
  {
    path: /^\/api\/v1\/services\/$/,
    handlers: { POST: ({ site, user, body }) => addServiceData(site.store, site.report, user, body.data()) },
  },
  {
    path: /^\/api\/v1\/samples\/$/,
    handlers: { GET: listSamples, POST: upload(addSample), PATCH: unserved },
  },
  {
    path: /^\/api\/v1\/samples\/([^/]+)\/$/,
    handlers: { GET: getSample, POST: unserved, PATCH: patchSample },
  },
  { path: /^\/api\/v1\/pcaps\/$/, handlers: { GET: unserved, POST: upload(addPcap), PATCH: unserved } },
  {
    path: /^\/api\/v1\/screenshots\/$/,
    handlers: { GET: unserved, POST: upload(({ store }, _user, data, file) => addScreenshot(store, data, file)) },
  },
]

/** Pages outside the API: they want a session, and a CSRF token for a POST. */
const PAGES = /^\/((login|search|dashboards|samples|services|relationships|profile)\/)?$/

/** Serves one request whose body has not been read. Rejects when the client is gone, or with a defect of the stand-in. */
export async function respond(request: IncomingMessage, entry: JournalEntry, site: Site): Promise<Answer> {
  const url = new URL(request.url ?? '/', 'http://crits.invalid')
  reportHabits(request, url, site.report)
  const found = findRoute(url.pathname)
  if (site.httpsRedirect || found === undefined) {
    for await (const _chunk of request);
    if (site.httpsRedirect) return redirect(`https://${request.headers.host}${request.url}`)
    return outsideApi(entry.method, url, site)
  }
  try {
    return await serve(request, entry, site, url, found)
  } catch (error: unknown) {
    return errorAnswer(error, site.debug)
  }
}

function reportHabits(request: IncomingMessage, url: URL, report: Report): void {
  if (url.searchParams.has('api_key')) {
    report('key-in-query', `${request.method} ${url.pathname}: web servers log query strings`)
  }
  if (request.headers['x-http-method-override'] !== undefined) {
    report('method-override', `${request.method} ${url.pathname}: X-HTTP-Method-Override loses form credentials`)
  }
}

function findRoute(path: string): { handlers: Route['handlers']; id: string } | undefined {
  for (const { path: pattern, handlers } of ROUTES) {
    const match = pattern.exec(path)
    if (match !== null) return { handlers, id: match[1] ?? '' }
  }
  return undefined
}

function redirect(location: string): Answer {
  return { ...htmlAnswer(301, 'Moved Permanently', { location }), body: '' }
}

function outsideApi(method: string, url: URL, { debug, profile }: Site): Answer {
  const writes = method !== 'GET' && method !== 'HEAD'
  if (PAGES.test(url.pathname)) {
    if (writes) return htmlAnswer(403, 'Forbidden: CSRF verification failed. Request aborted.')
    return htmlAnswer(302, 'Found', { location: `/login/?next=${encodeURIComponent(url.pathname)}` })
  }
  if (findRoute(`${url.pathname}/`) !== undefined) {
    // With debug on Django refuses to lose the body; Django before 1.7 only that of a POST.
    const refuses = debug && (method === 'POST' || (method === 'PATCH' && profile !== '2015'))
    if (refuses) return htmlAnswer(500, 'RuntimeError: the URL does not end in a slash and you have APPEND_SLASH set')
    return redirect(`${url.pathname}/${url.search}`)
  }
  // CRITs renders its error pages without a status.
  return debug ? htmlAnswer(404, 'Page not found (404)') : htmlAnswer(200, 'Page not found')
}

async function serve(
  request: IncomingMessage,
  entry: JournalEntry,
  site: Site,
  url: URL,
  { handlers, id }: { handlers: Route['handlers']; id: string },
): Promise<Answer> {
  const { method } = entry
  const body = await readBody(request, entry, site)
  const wantsBody = method === 'POST' || method === 'PATCH'
  if (wantsBody && body.size === 0) throw new CritsCrash('AssertionError: the request has no body')
  if (method === 'GET' && body.size > 0) throw new CritsCrash('AssertionError: a GET has a body')
  const handler = handlers[method]
  if (handler === undefined) return methodNotAllowed(Object.keys(handlers))
  // Django fills form fields for POST only; tastypie turns a PATCH into one after authentication.
  const form = method === 'POST' ? body.form : undefined
  const user = authenticate(site.users, site.profile, request.headers, url.searchParams, form)
  if (user === undefined) return emptyAnswer(401)
  return handler({ site, user, body, query: url.searchParams, id })
}

/** The answer to what CRITs' code raised; anything else is a defect of the stand-in and is thrown again. */
function errorAnswer(error: unknown, debug: boolean): Answer {
  if (error instanceof BadRequest) return jsonAnswer({ error: error.message }, 400)
  if (error instanceof CritsCrash) return crashAnswer(error, error.status, debug)
  if (error instanceof Py2LiteralError || error instanceof BsonError || error instanceof DocumentTooLarge) {
    return crashAnswer(error, 500, debug)
  }
  throw error
}

/** Only a look for one MD5 is served, without content: `get_object_list` in `crits/crits:crits/core/api.py`. */
function listSamples({ site, user, query }: Call): Answer {
  const [md5, only, limit] = ['c-md5', 'only', 'limit'].map(name => query.get(name))
  if (!md5 || !only || only.includes('filedata') || limit !== '1') {
    site.report('list-of-samples', 'a list of samples carries the bytes of every one')
    throw new CritsCrash('the stand-in lists no samples')
  }
  const sample = site.store.sampleByMd5(md5)
  const objects = sample !== undefined && isVisible(sample, user) ? [sampleFields(sample, only.split(','), user)] : []
  return jsonAnswer({ meta: { limit: 1, next: null, offset: 0, previous: null, total_count: objects.length }, objects })
}

/** Methods that CRITs has and the stand-in has not. */
function unserved(): Answer {
  return htmlAnswer(501, 'Not Implemented')
}

type AddUpload = (
  rules: UploadRules,
  user: CritsUser,
  data: FormData,
  file: UploadedFile | undefined,
) => Answer | Promise<Answer>

function upload(add: AddUpload): Handler {
  return ({ site, user, body }) => {
    const status = site.failingUploads.get(body.file?.md5 ?? '')
    if (status !== undefined) return htmlAnswer(status, 'Gateway Time-out')
    return add(site, user, body.data(), body.file)
  }
}

function visibleSample({ site, user, id }: Call): StoredSample | undefined {
  const sample = site.store.samples.get(id.toLowerCase())
  return sample !== undefined && isVisible(sample, user) ? sample : undefined
}

function getSample(call: Call): Answer | Promise<Answer> {
  const sample = visibleSample(call)
  if (sample === undefined) return emptyAnswer(404)
  const { query, site } = call
  if (query.get('file')) return sampleZip(sample, query.get('file_format'), site.zipWait, site.signal)
  return site.filedata === 'id'
    ? jsonAnswer({ _id: sample.id, md5: sample.md5, filedata: 'f0'.repeat(12) })
    : sampleDocument(sample)
}

/** The only action served is forge_relationship. */
function patchSample(call: Call): Answer {
  const sample = visibleSample(call)
  if (sample === undefined) return emptyAnswer(404)
  const { site } = call
  const data = call.body.data()
  const action = data.get('action')
  const problem =
    action === 'forge_relationship'
      ? forgeRelationship(site.store, sample, data, site.profile)
      : `'${action === undefined ? 'None' : String(action)}' is not a valid action.`
  return jsonAnswer({
    message: problem ?? 'success!',
    type: 'Sample',
    return_code: problem === undefined ? 0 : 1,
    id: call.id,
  })
}
