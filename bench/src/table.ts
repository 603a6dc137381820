// Tables as Markdown: the same text for the terminal and for docs/performance.md.

/** Results of one benchmark. */
export interface Table {
  readonly title: string
  /** What was measured and against what, in one or two sentences. */
  readonly text: string
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

export function toMarkdown({ title, text, head, rows }: Table): string {
  const widths = head.map((cell, column) => Math.max(cell.length, 3, ...rows.map(row => row[column]?.length ?? 0)))
  const line = (cells: readonly string[]) => `| ${cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |`
  const rule = `|${widths.map(width => '-'.repeat(width + 2)).join('|')}|`
  return [`### ${title}`, '', text, '', line(head), rule, ...rows.map(line), ''].join('\n')
}

/** A number with three significant digits. */
export function short(value: number): string {
  return value >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(value < 1 ? 2 : 3)))
}

/** Whether a target is met, with what was to be reached: `yes (≤ 0.25)`. */
export function atMost(value: number, limit: number, unit = ''): string {
  return `${value <= limit ? 'yes' : '**no**'} (≤ ${limit}${unit})`
}

export function atLeast(value: number, limit: number, unit = ''): string {
  return `${value >= limit ? 'yes' : '**no**'} (≥ ${limit}${unit})`
}
