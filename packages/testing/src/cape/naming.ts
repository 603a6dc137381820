/** What CAPE calls a file that is sent to it, and which names it does not take. */

/** `kevoreilly/CAPEv2:lib/cuckoo/common/demux.py`, `JUNK_EXTENSIONS` and `JUNK_NAMES`. */
const JUNK = /\.(yar|yara|md|txt|yml|yaml|gitignore|gitattributes|gitmodules)$|license|copying|makefile|authors|readme/i

/** Names above this are cut, the extension is kept. */
const LONGEST = 31
const CUT = 24

/** `kevoreilly/CAPEv2:lib/cuckoo/common/utils.py`, `sanitize_filename`, `get_filename_from_options`. */
export function storedName(sent: string, fields: ReadonlyMap<string, string>): string {
  const asked = optionOf(fields.get('options') ?? '', ['filename']) ?? looksLikeName(fields.get('custom') ?? '')
  const last = (asked ?? sent).split(/[/\\]/).at(-1) ?? ''
  const safe = last.replace(/[^A-Za-z0-9 _\-.]/gu, '_')
  if (safe.length <= LONGEST) return safe
  const extension = /\.[^.]{1,7}$/.exec(safe)?.[0] ?? ''
  return safe.slice(0, CUT - extension.length) + extension
}

/** What `custom` asks for by accident. */
export function looksLikeName(custom: string): string | undefined {
  return optionOf(custom, ['filename', 'file_name', 'name'])
}

export function isJunk(name: string): boolean {
  return JUNK.test(name)
}

function optionOf(text: string, names: readonly string[]): string | undefined {
  const pairs = text.split(',').map(pair => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)])
  return pairs.find(([name = '']) => names.includes(name))?.[1]
}
