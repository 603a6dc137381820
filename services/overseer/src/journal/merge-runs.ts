// One run of a file that nobody writes to any more, in place of those of its day: a search reads one place of each.
import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type JournalFile, journalFiles, type RunFile, runName } from './files.js'
import { DIGESTS, ENTRY_BYTES, firstNotBelow, metaOf, PLACES, RUN_ENTRIES, readEntries } from './index-run.js'
import { mergeMeta, readMeta } from './ranges.js'

/**
 * Of all files of days before `today`. Rejects with `signal.reason`; with the first error of a file when all others are
 * merged; what is merged by then stays so.
 */
export async function mergeOldRuns(dir: string, today: string, signal: AbortSignal): Promise<void> {
  const errors: unknown[] = []
  for (const file of await journalFiles(dir)) {
    const { day, runs, covered } = file
    // What a hole hides is read line by line.
    const isWhole = runs.every(({ to }) => to <= covered)
    if (day >= today || runs.length < 2 || !isWhole) continue
    await mergeRuns(dir, file, signal).catch((error: unknown) => {
      signal.throwIfAborted()
      errors.push(error)
    })
  }
  if (errors.length > 0) throw errors[0]
}

async function mergeRuns(dir: string, { base, runs, covered }: JournalFile, signal: AbortSignal): Promise<void> {
  // A merge may have been cut off before it had removed what it is made of.
  const whole = runs.find(({ from, to }) => from === 0 && to === covered)
  if (whole === undefined) await writeMerged(dir, { base, runs, to: covered }, signal)
  for (const run of runs) if (run !== whole) await rm(join(dir, run.name), { force: true })
}

interface Merge {
  readonly base: string
  readonly runs: readonly RunFile[]
  /** Bytes of the journal that they cover. */
  readonly to: number
}

async function writeMerged(dir: string, { base, runs, to }: Merge, signal: AbortSignal): Promise<void> {
  const entries = runs.reduce((sum, run) => sum + run.entries, 0)
  const name = runName(base, { from: 0, to, entries })
  const part = join(dir, `.${name}.part`)
  const metas = await Promise.all(runs.map(async run => readMeta(await metaOf(dir, run))))
  const sources: Source[] = []
  try {
    for (const run of runs) sources.push({ file: await open(join(dir, run.name)), run, at: 0 })
    await using out = await open(part, 'w', 0o600)
    const parts = Math.ceil(entries / RUN_ENTRIES)
    for (let done = 1; done <= parts; done += 1) {
      signal.throwIfAborted()
      const below = done === parts ? Number.POSITIVE_INFINITY : Math.round((done / parts) * DIGESTS) * PLACES
      await out.writeFile(await sortedBelow(below, sources))
    }
    await out.writeFile(JSON.stringify(mergeMeta(metas)))
  } catch (error: unknown) {
    await rm(part, { force: true })
    throw error
  } finally {
    for (const { file } of sources) await file.close()
  }
  await rename(part, join(dir, name))
}

interface Source {
  readonly file: FileHandle
  readonly run: RunFile
  /** Entries before it are merged. */
  at: number
}

/** What is left of all sources below a value. Throws when a run is shorter than its name says. */
async function sortedBelow(value: number, sources: readonly Source[]): Promise<Uint8Array> {
  const pieces: Float64Array[] = []
  for (const source of sources) {
    const { file, run, at } = source
    const guess = Math.floor(Math.min(1, value / (DIGESTS * PLACES)) * run.entries)
    const end = await firstNotBelow(file, run.entries, value, guess)
    const piece = await readEntries(file, at, end - at)
    if (piece.length < end - at) throw new Error(`${run.name} is damaged`)
    pieces.push(piece)
    source.at = end
  }
  const all = new Float64Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let length = 0
  for (const piece of pieces) {
    all.set(piece, length)
    length += piece.length
  }
  return new Uint8Array(all.sort().buffer, 0, length * ENTRY_BYTES)
}
