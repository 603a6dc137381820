// What the report says about files in the archives of a sandbox that names them by their hash, as CAPE does.
import type { StoredFile } from '@cuckoo-distributed/report-scanner'

/** What is kept: files, and characters that are said about them. */
const FILES_MAX = 100_000
const CHARS_MAX = 8_388_608

export class StoredFiles {
  readonly #files = new Map<string, StoredFile>()
  #chars = 0

  /** Keeps what is said first about a file; of more files than there is room for, nothing. */
  add(file: StoredFile): void {
    const key = keyOf(file.kind, file.sha256)
    const chars = Object.values(file).reduce((sum, text) => sum + text.length, 0)
    if (file.sha256 === '' || this.#files.has(key)) return
    if (this.#files.size === FILES_MAX || this.#chars + chars > CHARS_MAX) return
    this.#chars += chars
    this.#files.set(key, file)
  }

  /** Keeps what `others` know as well. */
  addAll(others: StoredFiles): void {
    for (const file of others.#files.values()) this.add(file)
  }

  of(kind: StoredFile['kind'], sha256: string): StoredFile | undefined {
    return this.#files.get(keyOf(kind, sha256))
  }

  /** The name that a dropped file had in the guest, if `name` is its hash and the report has another one. */
  droppedName(name: string): string {
    return this.of('dropped', name)?.name || name
  }
}

/** Whether an archive names its files by their hash: kevoreilly/CAPEv2:lib/cuckoo/core/resultserver.py. */
export function isHash(name: string): boolean {
  return /^[0-9a-f]{64}$/i.test(name)
}

function keyOf(kind: StoredFile['kind'], sha256: string): string {
  return `${kind} ${sha256.toLowerCase()}`
}
