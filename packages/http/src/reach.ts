/** Whether a server can be reached at all, said in words for an administrator: before what its API answers matters. */
import { HttpClient } from './client.js'
import { CertificateError, NetworkError, StatusError, TimeoutError } from './errors.js'

export interface ReachOptions {
  readonly baseUrl: URL
  readonly verifySsl: boolean
}

/** Status codes of answers, whatever they say. */
const ANY_STATUS = Array.from({ length: 400 }, (_, i) => 200 + i)
const ANSWER_MS = 20_000
/** Requests of a web server are answered within seconds; tokens, certificates and Cuckoo's dates bear less than this. */
const MAX_CLOCK_DIFFERENCE_MS = 5 * 60_000

/** What is wrong between us and the server, one line each; empty = it answers. Rejects with the signal's reason only. */
export async function reachProblems(options: ReachOptions, signal: AbortSignal): Promise<string[]> {
  await using http = new HttpClient({ ...options, headersTimeoutMs: ANSWER_MS, connectTimeoutMs: ANSWER_MS })
  try {
    const response = await http.request({ method: 'GET', path: '/', expectStatus: ANY_STATUS, signal })
    const date = response.headers.date
    const { status } = response
    const text = status === 400 ? await response.text(64 * 1024).catch(() => '') : ''
    if (status !== 400) response.discard()
    if (/HTTPS port|plain HTTP request/i.test(text)) return [SPEAKS_TLS]
    return clockProblems(typeof date === 'string' ? Date.parse(date) : Number.NaN)
  } catch (error: unknown) {
    signal.throwIfAborted()
    return [reachProblem(error, options.baseUrl)]
  }
}

const SPEAKS_TLS = 'the port uses TLS: write https://'

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there: wrong port, or the server is not running',
  ENOTFOUND: 'there is no host with this name',
  EAI_AGAIN: 'the host name cannot be resolved at present',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network of the host cannot be reached',
}

function clockProblems(serverTime: number, now = Date.now()): string[] {
  const seconds = Math.round(Math.abs(serverTime - now) / 1000)
  if (!(seconds * 1000 > MAX_CLOCK_DIFFERENCE_MS)) return []
  return [`its clock and the one of this machine are ${seconds} s apart`]
}

function reachProblem(error: unknown, baseUrl: URL): string {
  const code = codeOf(error)
  const words = WORDS[code]
  if (words !== undefined) return words
  if (error instanceof CertificateError) return certificateProblem(code)
  if (error instanceof TimeoutError) return 'it does not answer: a firewall, a wrong address, or a server that hangs'
  if (error instanceof NetworkError) {
    if (baseUrl.protocol === 'http:')
      return 'it closes the connection without an answer: it is not a web server, or uses TLS (https://)'
    if (/WRONG_VERSION_NUMBER|EPROTO|PACKET_LENGTH|RECORD_LAYER/.test(code))
      return 'the port does not use TLS: write http://'
  }
  return error instanceof Error ? error.message : 'it cannot be reached'
}

function certificateProblem(code: string): string {
  if (code === 'CERT_HAS_EXPIRED') return 'its certificate has expired, or the clock of this machine is wrong'
  if (code === 'CERT_NOT_YET_VALID')
    return 'its certificate is not valid yet: most likely the clock of this machine is wrong'
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return 'its certificate is for another name: use the host name that is in the certificate'
  return 'its certificate is not trusted: set NODE_EXTRA_CA_CERTS to the file of its authority, or switch VerifySSL off'
}

/** Of the innermost error that has one. */
function codeOf(error: unknown): string {
  let code = ''
  for (let current = error, deep = 0; current instanceof Error && deep < 4; current = current.cause, deep += 1) {
    if ('code' in current && typeof current.code === 'string') code = current.code
  }
  return code
}

/** In words, for a status that is no answer of the API; undefined for any other error. */
export function statusProblem(error: unknown): string | undefined {
  if (!(error instanceof StatusError)) return undefined
  const { status, location } = error
  if (location !== undefined) return `it redirects to ${location}: use the URL it redirects to`
  if (status === 404) return 'status 404: the URL is wrong, or the API is switched off'
  if (status === 502 || status === 503 || status === 504)
    return `status ${status}: a proxy answers, and the server behind it does not`
  return undefined
}
