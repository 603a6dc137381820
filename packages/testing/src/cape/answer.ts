/** Answers as Django and its two servers write them (`kevoreilly/CAPEv2:web/web/headers.py`). */
import { type Body, memoryBody } from '../cuckoo/body.js'

export interface CapeAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Body
  /** False for what is answered before CAPE's own code: its headers are missing. */
  readonly named?: boolean
}

export type CapeJson = null | boolean | number | string | readonly CapeJson[] | { readonly [key: string]: CapeJson }

export const API_HEADERS = {
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'X-XSS-Protection': '1; mode=block',
  Pragma: 'no-cache',
  'Cache-Control': 'no-cache',
  Expires: '0',
  'Referrer-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
}

export function json(value: CapeJson, status = 200, headers: Readonly<Record<string, string>> = {}): CapeAnswer {
  return {
    status,
    headers: { 'Content-Type': 'application/json', Vary: 'Accept', ...headers },
    body: memoryBody(JSON.stringify(value)),
  }
}

/** How nearly every failure looks: status 200. */
export function failure(text: string, status = 200): CapeAnswer {
  return json({ error: true, error_value: text }, status)
}

/** Of the framework: a real status. */
export function detail(status: number, text: string, headers: Readonly<Record<string, string>> = {}): CapeAnswer {
  return json({ detail: text }, status, headers)
}

export function file(type: string, name: string, body: Body): CapeAnswer {
  return { status: 200, headers: { 'Content-Type': type, 'Content-Disposition': `attachment; filename=${name}` }, body }
}

export function page(status: number, title: string, { named = true }: { readonly named?: boolean } = {}): CapeAnswer {
  const text = `<!doctype html>\n<html lang="en">\n<head>\n  <title>${title}</title>\n</head>\n<body>\n  <h1>${title}</h1><p></p>\n</body>\n</html>\n`
  return { status, headers: { 'Content-Type': 'text/html; charset=utf-8' }, body: memoryBody(text), named }
}

export function redirect(status: 301 | 302, location: string): CapeAnswer {
  return {
    status,
    headers: { 'Content-Type': 'text/html; charset=utf-8', Location: location },
    body: memoryBody(''),
    named: status === 302,
  }
}
