/** Requests to a running server, for commands. */
import { HttpClient, parseBaseUrl, type RequestOptions } from '@cuckoo-distributed/http'
import type { DistributedConfig } from '../config.js'

const ANSWER_LIMIT = 256 * 2 ** 20
const EVERYWHERE = new Set(['0.0.0.0', '::'])

export type Ask = (
  method: RequestOptions['method'],
  path: string,
  given?: { readonly query?: Readonly<Record<string, string>>; readonly form?: Readonly<Record<string, string>> },
) => Promise<unknown>

/**
 * Runs `work` with a server to ask: that at `url`, else the one that this configuration is for. Rejects with an
 * HttpError when it refuses, or cannot be reached.
 */
export async function withServer<T>(
  config: DistributedConfig,
  { url, signal }: { readonly url: string | undefined; readonly signal: AbortSignal },
  work: (ask: Ask) => Promise<T>,
): Promise<T> {
  const { ApiToken, VerifySSL: verifySsl } = config
  const token = ApiToken === '' ? undefined : { scheme: 'Bearer', value: ApiToken }
  await using http = new HttpClient({ baseUrl: parseBaseUrl(url ?? addressOf(config)), verifySsl, token })
  return await work(async (method, path, { query, form } = {}) => {
    const body = form && new URLSearchParams(form).toString()
    const headers = body === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }
    const response = await http.request({ method, path, query, body, headers, signal })
    return await response.json(ANSWER_LIMIT)
  })
}

function addressOf({ Host, Port }: DistributedConfig): string {
  const host = EVERYWHERE.has(Host) ? '127.0.0.1' : Host
  return `http://${host.includes(':') ? `[${host}]` : host}:${Port}/`
}
