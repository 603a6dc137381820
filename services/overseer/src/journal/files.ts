// The files of a journal: `DAY-ID.jsonl`, and beside each its runs of index, `DAY-ID.FROM-TO-ENTRIES.idx`. DAY is a date, ID is
// random, FROM and TO are the bytes of the journal that a run covers. No name comes from outside.
import { randomBytes } from 'node:crypto'
import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode } from '@cuckoo-distributed/core'

const JOURNAL = /^(?<base>(?<day>\d{4}-\d\d-\d\d)-[0-9a-f]{12})\.jsonl$/
const RUN = /^(?<base>\d{4}-\d\d-\d\d-[0-9a-f]{12})\.(?<from>\d+)-(?<to>\d+)-(?<entries>\d+)\.idx$/

/** A sorted part of the index, on disk. */
export interface RunFile {
  readonly name: string
  readonly from: number
  readonly to: number
  readonly entries: number
}

export interface JournalFile {
  readonly name: string
  readonly base: string
  /** ISO 8601, UTC. */
  readonly day: string
  readonly runs: readonly RunFile[]
  /** Bytes from the beginning on that runs cover. */
  readonly covered: number
}

/** A date in UTC as the names have it. */
export function dayOf(at: number): string {
  return new Date(at).toISOString().slice(0, 10)
}

/** For a file that no other process writes to. */
export function newBase(day: string): string {
  return `${day}-${randomBytes(6).toString('hex')}`
}

export function journalName(base: string): string {
  return `${base}.jsonl`
}

export function runName(base: string, { from, to, entries }: Omit<RunFile, 'name'>): string {
  return `${base}.${from}-${to}-${entries}.idx`
}

/** The journal's files, oldest first; none while there is no directory. Rejects with other errors of the file system. */
export async function journalFiles(dir: string): Promise<JournalFile[]> {
  const names = await readdir(dir).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return []
    throw error
  })
  const runs = new Map<string, RunFile[]>()
  for (const name of names) {
    const { base, from, to, entries } = RUN.exec(name)?.groups ?? {}
    if (base === undefined) continue
    const run = { name, from: Number(from), to: Number(to), entries: Number(entries) }
    runs.set(base, [...(runs.get(base) ?? []), run])
  }
  return names.sort().flatMap(name => {
    const { base, day } = JOURNAL.exec(name)?.groups ?? {}
    if (base === undefined || day === undefined) return []
    const own = (runs.get(base) ?? []).sort((a, b) => a.from - b.from)
    return [{ name, base, day, runs: own, covered: coveredBy(own) }]
  })
}

/** Runs may overlap: two processes may have indexed the same lines. */
function coveredBy(runs: readonly RunFile[]): number {
  let covered = 0
  for (const { from, to } of runs) if (from <= covered) covered = Math.max(covered, to)
  return covered
}

export interface Retention {
  readonly days: number
  /** Of all files together. */
  readonly bytes: number
}

/** Removes what is older than `days`, then the oldest until `bytes` are kept; never the file called `current`. */
export async function trim(dir: string, { days, bytes }: Retention, current: string, now = Date.now()): Promise<void> {
  const oldest = dayOf(now - days * 86_400_000)
  const kept: { readonly file: JournalFile; readonly size: number }[] = []
  for (const file of await journalFiles(dir)) {
    if (file.name === current) continue
    if (file.day < oldest) await remove(dir, file)
    else kept.push({ file, size: await sizeOf(dir, file) })
  }
  let total = kept.reduce((sum, { size }) => sum + size, 0)
  for (const { file, size } of kept) {
    if (total <= bytes) return
    await remove(dir, file)
    total -= size
  }
}

async function sizeOf(dir: string, { name, runs }: JournalFile): Promise<number> {
  const sizes = [name, ...runs.map(run => run.name)].map(each => stat(join(dir, each)).catch(() => undefined))
  return (await Promise.all(sizes)).reduce((sum, found) => sum + (found?.size ?? 0), 0)
}

async function remove(dir: string, { name, runs }: JournalFile): Promise<void> {
  for (const each of [name, ...runs.map(run => run.name)]) await rm(join(dir, each), { force: true })
}
