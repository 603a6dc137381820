/** A CRITs is looked at for an administrator: can it be reached, is its API on, and does it take a user, if one is named. */
import {
  displayUrl,
  HttpClient,
  parseBaseUrl,
  reachProblems,
  StatusError,
  statusProblem,
} from '@cuckoo-distributed/http'
import { SERVICES_PATH } from './call.js'
import { CritsError } from './errors.js'
import { CritsServer } from './server.js'
import type { Credentials } from './target.js'

const PROBE_MS = 30_000
const NO_ID = '000000000000000000000000'

/** Of each URL. `user`: whose rights are looked at; the configuration has none, as each message brings its own. */
export function critsLooks(urls: readonly string[], verifySsl: boolean, user: Credentials | undefined) {
  return [...new Set(urls)].map(url => ({
    what: `CRITs ${displayUrl(parseBaseUrl(url))}${user ? ` as ${user.username}` : ''}`,
    ...(user === undefined && { note: 'without a user: set CRITS_USERNAME and CRITS_API_KEY to check one' }),
    problems: (signal: AbortSignal) => critsProblemsAt(parseBaseUrl(url), verifySsl, user, signal),
  }))
}

/** The user of whom the environment knows. */
export function critsUser(env: Readonly<Record<string, string | undefined>>): Credentials | undefined {
  const { CRITS_USERNAME: username, CRITS_API_KEY: apiKey } = env
  return username && apiKey ? { username, apiKey } : undefined
}

async function critsProblemsAt(
  baseUrl: URL,
  verifySsl: boolean,
  user: Credentials | undefined,
  signal: AbortSignal,
): Promise<string[]> {
  const reach = await reachProblems({ baseUrl, verifySsl }, signal)
  if (reach.length > 0) return reach
  const api = await apiProblems(baseUrl, verifySsl, signal)
  if (api.length > 0 || user === undefined) return api
  await using server = new CritsServer({ baseUrl, verifySsl })
  const target = { ...user, objectType: 'Sample', objectId: NO_ID, analysisId: NO_ID }
  try {
    await server.client(target).log('debug', 'is this user known?', signal)
    return []
  } catch (error: unknown) {
    signal.throwIfAborted()
    // There is no such analysis, and it says so to a user that it knows.
    if (error instanceof CritsError) return []
    return [error instanceof Error ? error.message : 'it fails']
  }
}

/** The services API knows only POST: its 405 comes before credentials are looked at. */
async function apiProblems(baseUrl: URL, verifySsl: boolean, signal: AbortSignal): Promise<string[]> {
  await using http = new HttpClient({ baseUrl, verifySsl })
  try {
    const response = await http.request({
      method: 'GET',
      path: SERVICES_PATH,
      expectStatus: [405],
      headersTimeoutMs: PROBE_MS,
      signal,
    })
    response.discard()
    // Without `debug`, CRITs has error pages with status 200.
    return response.status === 405 ? [] : [`status ${response.status} instead of its API: ${API_OFF}`]
  } catch (error: unknown) {
    signal.throwIfAborted()
    if (error instanceof StatusError && error.status === 404) return [`status 404: ${API_OFF}`]
    return [statusProblem(error) ?? (error instanceof Error ? error.message : 'it fails')]
  }
}

const API_OFF = 'the API is switched off (enable_api in its settings), or the URL is not that of CRITs'
