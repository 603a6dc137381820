// What is on disk stays there through a power cut.
import { randomUUID } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

const HALF_WRITTEN = '.tmp-'

/** Whether a file is one that `writeDurably` has not finished, or never will. */
export function isHalfWritten(path: string): boolean {
  return basename(path).startsWith(HALF_WRITTEN)
}

/** Makes names that were added to or removed from a directory last. */
export async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path, 'r')
  await directory.sync()
}

/**
 * Writes a file for this user only (mode 0600), over an older one of that name. It is complete under its name, or not there
 * at all, whenever the power goes. Rejects with the error of the file system, or with what `content` throws.
 */
export async function writeDurably(path: string, content: Iterable<Uint8Array>): Promise<void> {
  const directory = dirname(path)
  const temporary = join(directory, `${HALF_WRITTEN}${randomUUID()}`)
  try {
    const file = await open(temporary, 'wx', 0o600)
    try {
      for (const part of content) await file.writeFile(part)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error: unknown) {
    await rm(temporary).catch(() => undefined) // the first error tells more
    throw error
  }
  await syncDirectory(directory)
}
