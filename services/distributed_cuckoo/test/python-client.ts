/** What python-requests writes, in which most clients of Cuckoo are made. */
import assert from 'node:assert/strict'
import type { RawAnswer } from './api-scene.js'

type Fields = Readonly<Record<string, string>>
type FilePart = readonly [name: string, filename: string, content: string]

const BOUNDARY = 'd1f0a5c2b3e44d5f9a6b7c8d9e0f1a2b'

/** What python-requests writes for `requests.post(url, data=…, files=…)`: texts first, parts without a type of their own. */
export function pythonPost(path: string, { data = {}, files }: { data?: Fields; files?: readonly FilePart[] }): string {
  const texts = Object.entries(data).map(([name, value]) => `name="${name}"\r\n\r\n${value}`)
  const parts = (files ?? []).map(
    ([name, filename, content]) => `name="${name}"; filename="${filename}"\r\n\r\n${content}`,
  )
  const form = [...texts, ...parts].map(part => `--${BOUNDARY}\r\nContent-Disposition: form-data; ${part}\r\n`).join('')
  const body = files === undefined ? new URLSearchParams(data).toString() : `${form}--${BOUNDARY}--\r\n`
  const type = files === undefined ? 'application/x-www-form-urlencoded' : `multipart/form-data; boundary=${BOUNDARY}`
  return pythonRequest(`POST ${path}`, [`Content-Length: ${Buffer.byteLength(body)}`, `Content-Type: ${type}`]) + body
}

/** A request of python-requests without a body. */
export function pythonRequest(line: string, headers: readonly string[] = []): string {
  const own = [
    'Host: localhost:8090',
    'User-Agent: python-requests/2.31.0',
    'Accept-Encoding: gzip, deflate',
    'Accept: */*',
  ]
  return `${[`${line} HTTP/1.1`, ...own, 'Connection: close', ...headers].join('\r\n')}\r\n\r\n`
}

/** The JSON object that a request was answered with. */
export function jsonOf(answer: RawAnswer): Readonly<Record<string, unknown>> {
  assert.equal(answer.status, 200, answer.body)
  return { ...Object(JSON.parse(answer.body)) }
}
