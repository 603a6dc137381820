// docs/performance.md: one section for each benchmark, with its tables and, behind them, what was written by hand.

/** Where the part written by hand begins; it stays when the tables are renewed. */
const BY_HAND = '### What limits it\n'

/**
 * The document with the tables of `measured` (by benchmark) in place of their old ones, in the order of `names`; the other sections stay as they are
 * in `old`.
 */
export function renewed(
  old: string,
  preface: string,
  names: readonly string[],
  measured: ReadonlyMap<string, string>,
): string {
  const parts = [preface]
  for (const name of names) {
    const section = sectionOf(old, name)
    const tables = measured.get(name)
    if (tables === undefined) parts.push(...(section === '' ? [] : [section]))
    else parts.push(`## ${name}\n\n${tables.trim()}\n\n${handWritten(section)}`)
  }
  return `${parts.map(part => part.trim()).join('\n\n')}\n`
}

function sectionOf(document: string, name: string): string {
  return document.split(/^(?=## )/m).find(part => part.startsWith(`## ${name}\n`)) ?? ''
}

function handWritten(section: string): string {
  const at = section.indexOf(BY_HAND)
  return at === -1 ? '' : section.slice(at)
}
