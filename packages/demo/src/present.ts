// What an analyst sees of a sample in CRITs: status, log, result tables, related samples.
import type { CritsStandIn, StoredAnalysis, StoredResult, StoredSample } from '@cuckoo-distributed/testing'
import type { EmittedSample } from './emit.js'
import { WIDTH } from './screen.js'
import { table } from './table.js'
import { shown } from './text.js'

const ROWS = 8

/** The lines about one sample. */
export function present(crits: CritsStandIn, sample: EmittedSample): string[] {
  const analysis = crits.analyses.get(sample.analysisId)
  const stored = crits.samples.get(sample.objectId)
  if (analysis === undefined || stored === undefined) return [`${shown(sample.name)}: not in CRITs`]
  return [
    `━━ ${shown(sample.name)}  ${sample.bytes.length} bytes, MD5 ${sample.md5}`,
    `Status: ${statusOf(analysis)}, ${analysis.results.length} results`,
    ...titled('Log', logLines(analysis)),
    ...subtypesOf(analysis).flatMap(([subtype, rows]) => titled(`${subtype} (${rows.length})`, resultTable(rows))),
    ...titled('Relationships', relationshipTable(crits, stored)),
  ]
}

/** `crits/crits:crits/services/templates/services_analysis_widget.html` */
export function statusOf({ status, results }: StoredAnalysis): string {
  if (status === 'error') return 'Error'
  if (status === 'started') return 'Running'
  return results.length === 0 ? 'No Results' : 'Complete'
}

function titled(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', `  ${shown(title)}`, ...lines.map(line => `    ${line}`)]
}

function logLines({ log }: StoredAnalysis): string[] {
  return log.map(
    ({ datetime, level, message }) => `${datetime.slice(0, 19)}  ${shown(level).padEnd(7)}  ${shown(message)}`,
  )
}

/** Neighbours of one subtype make a table, as on CRITs' page (`services_results_default.html`). */
function subtypesOf({ results }: StoredAnalysis): [string, StoredResult[]][] {
  const groups: [string, StoredResult[]][] = []
  for (const row of results) {
    const subtype = String(row.subtype)
    const last = groups.at(-1)
    if (last?.[0] === subtype) last[1].push(row)
    else groups.push([subtype, [row]])
  }
  return groups
}

function resultTable(rows: readonly StoredResult[]): string[] {
  const extra = Object.keys(rows[0] ?? {}).filter(key => key !== 'subtype' && key !== 'result')
  const columns = ['result', ...extra]
  const cells = rows.map(row => columns.map(column => cellOf(row[column])))
  return table(columns, cells, { width: WIDTH, maxRows: ROWS })
}

/** CRITs shows a list as a table within the cell; here its items follow each other. */
function cellOf(value: StoredResult[string] | undefined): string {
  if (Array.isArray(value)) return value.map(cellOf).join(', ')
  if (typeof value === 'object' && value !== null) {
    return 'name' in value ? `${cellOf(value.name)}=${cellOf(value.value)}` : Object.values(value).map(cellOf).join(' ')
  }
  return String(value ?? '')
}

/** One line for each related sample, with every type of relationship. */
function relationshipTable(crits: CritsStandIn, { relationships }: StoredSample): string[] {
  const ids = [...new Set(relationships.map(({ objectId }) => objectId))]
  const rows = ids.map(id => {
    const types = relationships.filter(({ objectId }) => objectId === id).map(({ relationship }) => relationship)
    const related = crits.samples.get(id)
    const names = [related?.filename ?? '', ...(related?.filenames ?? [])]
    return [types.join(', '), names.join(', '), String(related?.content?.size ?? ''), related?.md5 ?? '']
  })
  return rows.length === 0 ? [] : table(['relationship', 'file', 'bytes', 'md5'], rows, { width: WIDTH, maxRows: ROWS })
}
