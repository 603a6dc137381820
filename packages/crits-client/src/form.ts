/** Request bodies of calls that carry no file. */

import FormData from 'form-data'

export interface Form {
  readonly body: Buffer
  readonly headers: Readonly<Record<string, string>>
}

/**
 * Fields as multipart/form-data, which CRITs takes for POST and PATCH. It is half the size of a URL-encoded form, of which
 * CRITs accepts only the content type without a charset (`crits/crits:crits/core/api.py`).
 */
export function encodeForm(fields: Readonly<Record<string, string | Buffer>>): Form {
  const form = new FormData()
  for (const [name, value] of Object.entries(fields)) form.append(name, value)
  return { body: form.getBuffer(), headers: form.getHeaders() }
}
