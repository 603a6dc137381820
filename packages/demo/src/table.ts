// A table of texts with aligned columns.
import { cut, pad, shown, widthOf } from './text.js'

const NARROWEST = 6
const GAP = '  '

export interface TableOptions {
  /** Columns of the terminal that a line may take. */
  readonly width: number
  /** Rows to show; the rest is counted in a last line. */
  readonly maxRows: number
}

/** The lines of a table: header, rule, rows. Columns that are too wide are cut, the widest first. */
export function table(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  options: TableOptions,
): string[] {
  const visible = rows.slice(0, options.maxRows).map(row => row.map(shown))
  const titles = header.map(shown)
  const widths = fit(
    titles.map((title, at) => Math.max(widthOf(title), ...visible.map(row => widthOf(row[at] ?? '')))),
    options.width - GAP.length * (titles.length - 1),
  )
  const line = (cells: readonly string[]) =>
    widths
      .map((width, at) => pad(cut(cells[at] ?? '', width), width))
      .join(GAP)
      .trimEnd()
  const lines = [line(titles), widths.map(width => '-'.repeat(width)).join(GAP), ...visible.map(line)]
  const more = rows.length - visible.length
  if (more > 0) lines.push(`… ${more} more ${more === 1 ? 'row' : 'rows'}`)
  return lines
}

/** Narrows the widest columns until all fit, but none below `NARROWEST`. */
function fit(wanted: readonly number[], total: number): number[] {
  const widths = [...wanted]
  for (;;) {
    const widest = Math.max(...widths)
    if (widest <= NARROWEST || widths.reduce((sum, width) => sum + width, 0) <= total) return widths
    widths[widths.indexOf(widest)] = widest - 1
  }
}
