import { html, type TemplateResult } from 'lit-html'
import { repeat } from 'lit-html/directives/repeat.js'

export interface Column<Row> {
  readonly title: string
  /** Set on the right, digit below digit. */
  readonly isNumber?: boolean
  /** Its texts are few words of ours, which are not broken. */
  readonly isShort?: boolean
  /** A text, a number or a template; null and undefined are shown as a dash. */
  readonly cell: (row: Row) => unknown
}

export interface Table<Row> {
  /** What the table shows, for those who do not see the heading above it. */
  readonly label: string
  /** The first one names its row. */
  readonly columns: readonly Column<Row>[]
  readonly rows: readonly Row[]
  /** By which a row is known when they change, so that what has the focus keeps it. */
  readonly key: (row: Row) => unknown
  /** What is said when there are none. */
  readonly empty: string
}

/**
 * A table that becomes a list of blocks where it is narrow. Its roles are written out, as some browsers take what is shown as a block
 * for no table.
 */
export function dataTable<Row>({ label, columns, rows, key, empty }: Table<Row>): TemplateResult {
  if (rows.length === 0) return html`<p class="muted">${empty}</p>`
  return html`<table role="table" aria-label=${label}>
    <thead role="rowgroup"><tr role="row">
      ${columns.map(column => html`<th role="columnheader" scope="col" class=${classOf(column)}>${column.title}</th>`)}
    </tr></thead>
    <tbody role="rowgroup">${repeat(rows, key, row => html`<tr role="row" data-key=${String(key(row))}>${columns.map((column, at) => cellOf(column, row, at === 0))}</tr>`)}</tbody>
  </table>`
}

function cellOf<Row>(column: Column<Row>, row: Row, isFirst: boolean): TemplateResult {
  const { title, cell } = column
  const shown = cell(row) ?? '–'
  if (isFirst) return html`<th role="rowheader" scope="row">${shown}</th>`
  return html`<td role="cell" data-title=${title} class=${classOf(column)}><div>${shown}</div></td>`
}

function classOf({ isNumber, isShort }: { readonly isNumber?: boolean; readonly isShort?: boolean }): string {
  if (isNumber) return 'number'
  return isShort ? 'short' : ''
}
