// The name Django gives to an uploaded file (`django/django:django/http/multipartparser.py`, `core/files/uploadedfile.py`).
import type { MultipartPart } from '../multipart.js'
import type { Profile } from './auth.js'

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"' }

/** The raw name: `filename*` (RFC 5987) counts on Django 1.11 only; undefined or `''` makes the part a text field. */
export function rawFilename(part: MultipartPart, profile: Profile): string | undefined {
  const extended = /^utf-8'[^']*'(.*)$/is.exec(part.parameters.get('filename*') ?? '')?.[1]
  if (profile !== 'master' || extended === undefined) return part.filename
  const bytes = extended.replaceAll(/%([\da-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

/** Entities decoded, everything up to the last `\` or `/` removed, trimmed, cut to 255 characters before the extension. */
export function djangoFilename(raw: string): string {
  const decoded = raw.replaceAll(/&(#x?[\da-f]+|\w{1,8});/gi, (all, name: string) => entity(name) ?? all)
  const name = decoded.slice(decoded.lastIndexOf('\\') + 1).trim()
  const base = name.slice(name.lastIndexOf('/') + 1)
  if (base.length <= 255) return base
  const dot = base.lastIndexOf('.')
  const extension = dot > 0 ? base.slice(dot).slice(0, 255) : ''
  return base.slice(0, 255 - extension.length) + extension
}

function entity(name: string): string | undefined {
  if (!name.startsWith('#')) return ENTITIES[name]
  const code = /^#x/i.test(name) ? Number.parseInt(name.slice(2), 16) : Number.parseInt(name.slice(1), 10)
  return code <= 0x10ffff ? String.fromCodePoint(code) : undefined
}
