/** The file that says whose a directory is. */
import { randomUUID } from 'node:crypto'
import { link, mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { errorCode } from '@cuckoo-distributed/core'
import { syncDirectory } from '@cuckoo-distributed/staging'

export const MARKER = '.distributed_cuckoo'

/** What file systems say that know no hard links. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'])

/** Whose the directory is; empty when nobody has finished marking it, undefined when it has no marker. Rejects with other errors of the file system. */
export async function ownerOf(directory: string): Promise<string | undefined> {
  try {
    return (await readFile(join(directory, MARKER), 'utf8')).trim()
  } catch (error: unknown) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined
    throw error
  }
}

/**
 * Makes the directory when it is missing, marks it as this owner's unless it is somebody's, and resolves with whose it is. The marker is
 * never seen half written: it gets its name when it is on disk. Rejects with the error of the file system.
 */
export async function claimDirectory(directory: string, owner: string): Promise<string> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const marker = join(directory, MARKER)
  const temporary = `${marker}-${randomUUID()}`
  try {
    await write(temporary, `${owner}\n`)
    // One that is empty was left by a crash or a full disk.
    if ((await ownerOf(directory)) === '') await rename(temporary, marker)
    else await name(temporary, marker)
  } finally {
    await rm(temporary, { force: true })
  }
  await syncDirectory(directory)
  return (await ownerOf(directory)) ?? ''
}

async function write(path: string, text: string): Promise<void> {
  await using file = await open(path, 'wx', 0o600)
  await file.writeFile(text)
  await file.sync()
}

async function name(temporary: string, marker: string): Promise<void> {
  try {
    await link(temporary, marker)
  } catch (error: unknown) {
    if (hasCode(error, 'EEXIST')) return
    if (!hasCode(error, ...NO_LINKS)) throw error
    if ((await ownerOf(dirname(marker))) === undefined) await rename(temporary, marker)
  }
}

/** Whether it is an error of the system with one of these codes. */
export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return codes.includes(errorCode(error))
}
