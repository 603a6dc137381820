/** File names that survive the way into CRITs. */

const NAME_BYTES_MAX = 200

/**
 * The name to upload a file under: what follows the last `/` or `\`, without control characters, `"`, `&` and `;` replaced
 * by `_`, at most 200 bytes of UTF-8; `fallback` if nothing is left.
 *
 * Django cuts at slashes, decodes HTML entities and trims by itself, and takes a file without name for a text field
 * (`django/django:django/http/multipartparser.py`).
 */
export function uploadName(name: string, fallback: string): string {
  const base = name.slice(Math.max(name.lastIndexOf('/'), name.lastIndexOf('\\')) + 1)
  const safe = base
    .toWellFormed()
    .replaceAll(/\p{Cc}/gu, '')
    .replaceAll(/["&;]/g, '_')
    .trim()
  return firstBytes(safe, NAME_BYTES_MAX).trim() || fallback
}

function firstBytes(text: string, limit: number): string {
  let bytes = 0
  let end = 0
  for (const char of text) {
    bytes += Buffer.byteLength(char)
    if (bytes > limit) break
    end += char.length
  }
  return text.slice(0, end)
}
