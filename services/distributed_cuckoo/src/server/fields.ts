/** Parameters of a request: from the query string, a form, or a JSON object; the query string wins. */
import type { FastifyRequest } from 'fastify'
import { ApiError } from './errors.js'

/** By name; a field that was given is a text, possibly an empty one. */
export type Fields = ReadonlyMap<string, string>

/** Puts the query string over what the body holds. Of a repeated parameter the first counts. */
export function withQuery(request: FastifyRequest, body: Iterable<readonly [string, string]>): Fields {
  return new Map([...body, ...queryOf(request)])
}

export function queryOf({ query }: FastifyRequest): Map<string, string> {
  const fields = new Map<string, string>()
  if (typeof query !== 'object' || query === null) return fields
  for (const [name, value] of Object.entries(query)) {
    const text: unknown = Array.isArray(value) ? value[0] : value
    fields.set(name, checkedText(name, String(text)))
  }
  return fields
}

/** The members of a JSON object that are texts, numbers or switches. */
export function jsonFields(body: unknown): [string, string][] {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw badRequest('The body must be a JSON object')
  return Object.entries(body)
    .filter(([, value]) => ['string', 'number', 'boolean'].includes(typeof value))
    .map(([name, value]) => [name, checkedText(name, String(value))])
}

/** A text that both databases can keep. */
export function checkedText(name: string, text: string): string {
  if (text.includes('\0')) throw new ApiError(400, `Parameter ${name} holds a null character`)
  return text
}

export function badRequest(message: string): ApiError {
  return new ApiError(400, message)
}

/** An integer as Python reads it, and says when it is none (`cuckoosandbox/cuckoo:utils/dist.py`); undefined when the field is missing. */
export function readInteger(fields: Fields, name: string): number | undefined {
  const text = fields.get(name)
  if (text === undefined) return undefined
  const value = Number(text.trim())
  if (!/^[+-]?\d+$/.test(text.trim()) || !Number.isSafeInteger(value)) {
    throw new ApiError(400, `invalid literal for int() with base 10: '${text.slice(0, 100)}' in parameter ${name}`)
  }
  return value
}

/** As `readInteger`, zero or more. */
export function readCount(fields: Fields, name: string): number | undefined {
  const value = readInteger(fields, name)
  if (value !== undefined && value < 0) throw new ApiError(400, `Parameter ${name} must not be negative`)
  return value
}

const SWITCH: ReadonlyMap<string, boolean> = new Map([
  ...['1', 'true', 'yes', 'on'].map(word => [word, true] as const),
  // Python's None, as `cuckoosandbox/cuckoo:cuckoo/common/utils.py` (`parse_bool`) reads it.
  ...['0', 'false', 'no', 'off', 'none', ''].map(word => [word, false] as const),
])

/** A switch, whatever its case; undefined when the field is missing. */
export function readSwitch(fields: Fields, name: string): boolean | undefined {
  const text = fields.get(name)
  if (text === undefined) return undefined
  const value = SWITCH.get(text.toLowerCase())
  if (value === undefined) throw new ApiError(400, `Parameter ${name} must be 1, true, yes, on, 0, false, no or off`)
  return value
}
