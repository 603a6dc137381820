// What an analyst looks for first in CRITs, three lines per sample, wrapped to the terminal: signatures, dropped files, warnings.
import type { CritsStandIn, StoredAnalysis } from '@cuckoo-distributed/testing'
import type { EmittedSample } from './emit.js'
import { statusOf } from './present.js'
import { WIDTH, WRAP } from './screen.js'
import { cut, shown, wrap } from './text.js'

/** parse_and_submit's line about a file that CRITs has not got. */
const NOT_UPLOADED = /^dropped file (.+) \(MD5 [0-9a-f]{32}\): (.+)$/s

/** The lines about one sample. */
export function verdict(crits: CritsStandIn, sample: EmittedSample): string[] {
  const analysis = crits.analyses.get(sample.analysisId)
  if (analysis === undefined) return [`${shown(sample.name)}: not in CRITs`]
  const outcome = `${statusOf(analysis)}, ${analysis.results.length} results`
  return [
    ...wrap(`━━ ${shown(sample.name)}: ${outcome} (${sample.bytes.length} bytes, MD5 ${sample.md5})`, WRAP, 3),
    ...line('signatures', signatures(analysis)),
    ...line('dropped', droppedFiles(crits, sample, analysis)),
    ...line('warnings', warnings(analysis)),
  ]
}

/** A report may have a hundred signatures. */
function line(title: string, text: string): string[] {
  return wrap(cut(`   ${title.padEnd(10)}  ${shown(text) || 'none'}`, 3 * WIDTH), WRAP, 15)
}

/** The worst first. */
function signatures({ results }: StoredAnalysis): string {
  const bySeverity = new Map<number, string[]>()
  for (const row of results) {
    if (row.subtype !== 'signature') continue
    const severity = Number(row.severity)
    bySeverity.set(severity, [...(bySeverity.get(severity) ?? []), String(row.result)])
  }
  const worstFirst = [...bySeverity].sort(([a], [b]) => b - a)
  return worstFirst.map(([severity, texts]) => `severity ${severity}: ${texts.join(', ')}`).join('; ')
}

function droppedFiles(crits: CritsStandIn, { objectId }: EmittedSample, { log }: StoredAnalysis): string {
  const related = crits.samples.get(objectId)?.relationships ?? []
  const ids = new Set(related.filter(({ relationship }) => relationship === 'Dropped').map(({ objectId }) => objectId))
  const uploaded = [...ids].map(id => crits.samples.get(id)?.filename ?? id).join(', ')
  const missing = log.flatMap(({ message }) => {
    const [, name, why] = NOT_UPLOADED.exec(message) ?? []
    return name === undefined ? [] : [`${name} (${why})`]
  })
  return [uploaded, missing.length > 0 ? `not in CRITs: ${missing.join(', ')}` : ''].filter(Boolean).join('; ')
}

function warnings({ log }: StoredAnalysis): string {
  return log
    .filter(({ level, message }) => level !== 'info' && !NOT_UPLOADED.test(message))
    .map(({ message }) => message)
    .join('; ')
}
