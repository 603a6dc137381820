// The baseline `JSON.parse`, which needs the whole report as one string.
import { request } from 'undici'
import { MAX_CALLS } from './max-calls.js'

interface Report {
  readonly signatures: unknown[]
  readonly behavior: { readonly processes: { readonly calls: unknown[] }[]; readonly summary: object }
}

/** What `JSON.parse` has made of a report, cut down to what is wanted. */
export function wantedOf(report: Report): number {
  const { processes, summary } = report.behavior
  const calls = processes.flatMap(one => one.calls.slice(0, MAX_CALLS)).slice(0, MAX_CALLS)
  return report.signatures.length + processes.length + calls.length + Object.values(summary).flat().length
}

export async function parseWhole(url: string): Promise<number> {
  const { body } = await request(url)
  return wantedOf(JSON.parse(await body.text()))
}
