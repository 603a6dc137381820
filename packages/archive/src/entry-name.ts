// Names of dropped files. They were chosen by malware: they are shown and sent, never used as a path.

const MAX_CHARACTERS = 255
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decode(bytes: Buffer): string {
  try {
    return UTF8.decode(bytes)
  } catch {
    return bytes.toString('latin1')
  }
}

/**
 * The name to show for the archive path `path`: its last component, cut to 255 characters, with control characters replaced by `_`.
 * Bytes that are no UTF-8 are taken as Latin-1.
 *
 * Cuckoo 2.0 archives `files/<16 hexadecimal digits>_<name>`, Cuckoo 1.x `files/<digits>/<name>`: only the former loses its prefix
 * (cuckoosandbox/cuckoo:cuckoo/processing/dropped.py, cuckoosandbox/cuckoo:modules/processing/dropped.py).
 */
export function entryName(path: Buffer): string {
  const text = decode(path)
  const base = text.split(/[/\\]/).findLast(part => part !== '') ?? ''
  const prefixed = !/^(?:\.\/)?files\/\d+\//.test(text)
  const name = prefixed ? base.replace(/^[0-9a-f]{16}_(?=.)/s, '') : base
  const visible = name
    .replace(/[\p{Cc}\u2028\u2029]/gu, '_')
    .slice(0, MAX_CHARACTERS)
    .toWellFormed()
  return visible === '' || visible === '.' || visible === '..' ? '_' : visible
}
