// A table of texts with aligned columns.
import { cut, pad, shown, widthOf, wrap } from './text.js'

/** A column that would be narrower says nothing. */
const NARROWEST = 12
const GAP = '  '

export interface TableOptions {
  /** Columns of the terminal that a line may take. */
  readonly width: number
  /** Rows to show; the rest is counted in a last line. */
  readonly maxRows: number
}

/** The lines of a table: header, rule, rows. Wide columns are cut, the widest first; the last ones are only named if they do not fit. */
export function table(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  options: TableOptions,
): string[] {
  const visible = rows.slice(0, options.maxRows).map(row => row.map(shown))
  const titles = header.map(shown)
  const wanted = titles.map((title, at) => Math.max(widthOf(title), ...visible.map(row => widthOf(row[at] ?? ''))))
  const shownColumns = wanted.slice(0, columnsThatFit(wanted, options.width))
  const widths = fit(shownColumns, options.width - GAP.length * (shownColumns.length - 1))
  const line = (cells: readonly string[]) =>
    widths
      .map((width, at) => pad(cut(cells[at] ?? '', width), width))
      .join(GAP)
      .trimEnd()
  const lines = [line(titles), widths.map(width => '-'.repeat(width)).join(GAP), ...visible.map(line)]
  const more = rows.length - visible.length
  if (more > 0) lines.push(`… ${more} more ${more === 1 ? 'row' : 'rows'}`)
  const left = titles.slice(widths.length)
  if (left.length > 0)
    lines.push(...wrap(`… not shown, as the terminal is too narrow: ${left.join(', ')}`, options.width, 2))
  return lines
}

function columnsThatFit(wanted: readonly number[], total: number): number {
  let used = -GAP.length
  const at = wanted.findIndex(width => {
    used += GAP.length + Math.min(width, NARROWEST)
    return used > total
  })
  return at === -1 ? wanted.length : Math.max(1, at)
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
