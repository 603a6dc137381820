/** Makes text of a server fit for an error message. */

const EXCERPT_LENGTH = 200

/** Replaces each secret, as it is and percent-encoded, by `***`. */
export function redact(text: string, secrets: readonly string[]): string {
  let safe = text
  for (const secret of secrets) {
    if (secret === '') continue
    safe = safe.replaceAll(secret, '***').replaceAll(encodeURIComponent(wellFormed(secret)), '***')
  }
  return safe
}

/**
 * At most 200 characters of `text` on one line: no markup, no control characters, no secrets. Of a page with a `<pre>`
 * only that is taken: bottle and Django put the reason there (`bottlepy/bottle:bottle.py`, `ERROR_PAGE_TEMPLATE`).
 */
export function excerptOf(text: string, secrets: readonly string[]): string {
  const reason = /<pre\b[^>]*>([^<]+)<\/pre>/i.exec(text)?.[1]
  const plain = redact(reason ?? text, secrets)
    .replace(/<(title|style|script)\b[\s\S]*?(<\/\1>|$)/gi, ' ')
    .replace(/<[a-z!/][^>]*(>|$)/gi, ' ')
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .trim()
  return wellFormed(plain.slice(0, EXCERPT_LENGTH))
}

/** A lone surrogate, which UTF-8 cannot hold, becomes U+FFFD. */
function wellFormed(text: string): string {
  return Buffer.from(text).toString()
}
