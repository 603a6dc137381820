// The index of a journal: for each key of each line, a number that is the key's digest and the line's place. Numbers are
// sorted in runs of a few MB, so a search reads one place of each run; what a digest has in common with others is read in vain.
import { open, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { PipelineEvent } from '@cuckoo-distributed/core'
import { type RunFile, runName } from './files.js'

/** Entries of a run that is sorted at once. */
export const RUN_ENTRIES = 262_144
/** A digest of 21 bits and a place of 32 are an exact number, and sort as one. */
export const PLACES = 2 ** 32
export const DIGESTS = 2 ** 21
/** Entries that are read at a time. */
const WINDOW = 4096
export const ENTRY_BYTES = 8

/** What a line can be found by. */
export type Key = { readonly analysis: string } | { readonly md5: string } | { readonly task: number }

export function keysOf({ analysis, md5, task }: PipelineEvent): Key[] {
  return [
    ...(analysis === undefined ? [] : [{ analysis }]),
    ...(md5 === undefined ? [] : [{ md5 }]),
    ...(task === undefined ? [] : [{ task }]),
  ]
}

/** FNV-1a, of which the upper bits are the digest. */
export function digestOf(key: Key): number {
  const text = 'analysis' in key ? `a${key.analysis}` : 'md5' in key ? `m${key.md5}` : `t${key.task}`
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  // The last characters reach the upper bits only so.
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  hash = Math.imul(hash ^ (hash >>> 12), 0x297a2d39)
  return (hash ^ (hash >>> 15)) >>> 11
}

/** Entries of lines that no run on disk covers yet. */
export class OpenRun {
  readonly #entries = new Float64Array(RUN_ENTRIES)
  #count = 0

  get count(): number {
    return this.#count
  }

  /** Three more would not fit. */
  get isFull(): boolean {
    return this.#count + 3 > RUN_ENTRIES
  }

  add(event: PipelineEvent, place: number): void {
    for (const key of keysOf(event)) {
      this.#entries[this.#count] = digestOf(key) * PLACES + place
      this.#count += 1
    }
  }

  /** Places of lines that may have this key. */
  find(digest: number): number[] {
    const places: number[] = []
    const from = digest * PLACES
    for (let at = 0; at < this.#count; at += 1) {
      const place = (this.#entries[at] ?? -1) - from
      if (place >= 0 && place < PLACES) places.push(place)
    }
    return places
  }

  /** Sorts and writes them with `meta`, and is empty then. Rejects with the error of the file system and keeps them. */
  async write(dir: string, base: string, range: { readonly from: number; readonly to: number }, meta: object) {
    const entries = this.#entries.subarray(0, this.#count).sort()
    const name = runName(base, { ...range, entries: this.#count })
    const part = join(dir, `.${name}.part`)
    const bytes = Buffer.from(entries.buffer, 0, this.#count * ENTRY_BYTES)
    await writeFile(part, [bytes, Buffer.from(JSON.stringify(meta))], { mode: 0o600 })
    await rename(part, join(dir, name))
    this.#count = 0
  }
}

/** Places of lines that may have a key with one of these digests. Rejects with the error of the file system. */
export async function searchRun(
  dir: string,
  { name, entries }: RunFile,
  digests: readonly number[],
): Promise<number[]> {
  await using file = await open(join(dir, name))
  const places: number[] = []
  for (const digest of digests) {
    const from = digest * PLACES
    const first = await firstNotBelow(file, entries, from, Math.floor((digest / DIGESTS) * entries))
    for (let at = first; at < entries; at += WINDOW) {
      const window = await readEntries(file, at, Math.min(WINDOW, entries - at))
      const end = window.findIndex(entry => entry >= from + PLACES)
      for (const entry of end < 0 ? window : window.subarray(0, end)) places.push(entry - from)
      if (end >= 0 || window.length === 0) break
    }
  }
  return places
}

type Handle = Awaited<ReturnType<typeof open>>

/** The place of the first entry that is not below a value. Digests are spread evenly, so the first guess is mostly right; the rest is halved until it is. */
export async function firstNotBelow(file: Handle, entries: number, value: number, guess: number): Promise<number> {
  let low = 0
  let high = entries
  let at = guess - WINDOW / 2
  while (low < high) {
    const start = Math.min(Math.max(at, low), Math.max(low, high - WINDOW))
    const window = await readEntries(file, start, Math.min(WINDOW, high - start))
    const inside = window.findIndex(entry => entry >= value)
    if (window.length === 0) break // the file is shorter than its name says
    if (inside < 0) low = start + window.length
    else if (inside > 0 || start === low) return start + inside
    else high = start
    at = Math.floor((low + high - WINDOW) / 2)
  }
  return low
}

export async function readEntries(file: Handle, from: number, count: number): Promise<Float64Array> {
  const entries = new Float64Array(count)
  const { bytesRead } = await file.read(entries, 0, count * ENTRY_BYTES, from * ENTRY_BYTES)
  return entries.subarray(0, Math.floor(bytesRead / ENTRY_BYTES))
}

/** What was written with a run. */
export async function metaOf(dir: string, { name, entries }: RunFile): Promise<unknown> {
  await using file = await open(join(dir, name))
  const { size } = await file.stat()
  try {
    const bytes = Buffer.alloc(size - entries * ENTRY_BYTES)
    await file.read(bytes, 0, bytes.length, entries * ENTRY_BYTES)
    return JSON.parse(bytes.toString())
  } catch (cause: unknown) {
    throw new Error(`${name} is damaged`, { cause })
  }
}
