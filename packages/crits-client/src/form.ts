/** Request bodies of calls that carry no file. */

import { randomBytes } from 'node:crypto'

export interface Form {
  readonly body: Buffer
  readonly headers: Readonly<Record<string, string>>
}

/** A text, or pieces of UTF-8 that are one value. */
export type Fields = Readonly<Record<string, string | readonly Buffer[]>>

/**
 * Fields as multipart/form-data, which CRITs takes for POST and PATCH. It is half the size of a URL-encoded form, of which
 * CRITs accepts only the content type without a charset (`crits/crits:crits/core/api.py`). Names are ASCII without quotes.
 * Written here, as `form-data` copies what it has for each further part: 3 MB for a batch of 1 MB.
 */
export function encodeForm(fields: Fields): Form {
  const boundary = `form-${randomBytes(16).toString('hex')}`
  const pieces: Buffer[] = []
  for (const [name, value] of Object.entries(fields)) {
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n`
    pieces.push(Buffer.from(head), ...(typeof value === 'string' ? [Buffer.from(value)] : value), LINE_BREAK)
  }
  const body = Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)])
  return { body, headers: { 'content-type': `multipart/form-data; boundary=${boundary}` } }
}

const LINE_BREAK = Buffer.from('\r\n')
