// A plain HTTP client for the tests of the CRITs stand-in: sends what it is told, byte by byte.
import { request } from 'node:http'
import { type CritsOptions, type CritsStandIn, startCrits } from '../src/crits/server.js'

export interface Exchange {
  readonly status: number
  readonly headers: NodeJS.Dict<string | string[]>
  readonly bytes: Buffer
  readonly text: string
}

export interface Call {
  readonly method?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
}

export const FORM = { 'content-type': 'application/x-www-form-urlencoded' }

/** Sends one request on a connection of its own; adds Content-Length unless the body is chunked. */
export function exchange(base: string, { method = 'POST', path = '/', headers = {}, body }: Call): Promise<Exchange> {
  const length =
    body === undefined || 'transfer-encoding' in headers ? {} : { 'content-length': Buffer.byteLength(body) }
  return new Promise((resolve, reject) => {
    const sent = request(base + path, { method, agent: false, headers: { ...headers, ...length } }, response => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const bytes = Buffer.concat(chunks)
        resolve({ status: response.statusCode ?? 0, headers: response.headers, bytes, text: bytes.toString('utf8') })
      })
    })
    sent.on('error', reject)
    // Node writes headers and a string body in one piece, in the encoding of the body.
    sent.end(typeof body === 'string' ? Buffer.from(body) : body)
  })
}

/** The header of the stand-in's user with this index. */
export function credentials(crits: CritsStandIn, index = 0): Record<string, string> {
  const user = crits.users[index]
  return { authorization: `ApiKey ${user?.name}:${user?.keys[0]}` }
}

export function form(fields: Readonly<Record<string, string>>): string {
  return new URLSearchParams(fields).toString()
}

/** A multipart body and its content type; `filename` is written into the header as it is. */
export function multipart(
  fields: Readonly<Record<string, string>>,
  file?: { readonly filename?: string; readonly bytes: Buffer },
): { headers: Record<string, string>; body: Buffer } {
  const boundary = 'vkLqN3fQ0v7c'
  const parts: Buffer[] = Object.entries(fields).map(([name, value]) =>
    Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`),
  )
  if (file !== undefined) {
    const filename = file.filename === undefined ? '' : `; filename="${file.filename}"`
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="filedata"${filename}\r\n\r\n`
    parts.push(Buffer.from(head), file.bytes, Buffer.from('\r\n'))
  }
  const body = Buffer.concat([...parts, Buffer.from(`--${boundary}--\r\n`)])
  return { headers: { 'content-type': `multipart/form-data; boundary=${boundary}` }, body }
}

/** Runs `check` against a stand-in that is closed afterwards. */
export async function withCrits(
  check: (crits: CritsStandIn) => Promise<void>,
  options: CritsOptions = {},
): Promise<void> {
  await using crits = await startCrits(options)
  await check(crits)
}
