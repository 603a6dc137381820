/** The directories when a process starts. */
import { join } from 'node:path'
import { ConfigError, describeError, type Logger } from '@cuckoo-distributed/core'
import type { Store } from '../store/store.js'
import { type DirectoriesConfig, Files } from './files.js'
import { claimDirectory, MARKER, ownerOf } from './marker.js'
import type { SharedDirectory } from './shared-directory.js'

/**
 * The directories of the database. The first time they are made when they are missing, and marked as its own; after that a directory
 * without its marker is one that is away, not a new one.
 *
 * @throws ConfigError when they cannot be written to or belong to another database.
 */
export async function openFiles(config: DirectoriesConfig, store: Directories, log: Logger): Promise<Files> {
  const files = new Files(config, store.id, log)
  const isKnown = await store.hasDirectories()
  const problems = [
    await refusal('SamplesDirectory', files.samples, { owner: store.id, isKnown }),
    await refusal('ReportsDirectory', files.reports, { owner: store.id, isKnown }),
  ]
  const found = problems.filter(problem => problem !== undefined)
  if (found.length > 0) throw new ConfigError('directories', found)
  if (!isKnown) await store.recordDirectories()
  return files
}

/** What the database has to say of its directories. */
export type Directories = Pick<Store, 'id' | 'hasDirectories' | 'recordDirectories'>

async function refusal(
  key: string,
  directory: SharedDirectory,
  { owner, isKnown }: { readonly owner: string; readonly isKnown: boolean },
): Promise<string | undefined> {
  const { path } = directory
  const marker = join(path, MARKER)
  try {
    const found = isKnown ? await ownerOf(path) : await claimDirectory(path, owner)
    if (found === owner) return undefined
    if (found)
      return `"${key}": ${path} belongs to another database; give it back, or remove ${marker} if that database is gone`
  } catch (error: unknown) {
    if (!isKnown) return `"${key}": ${path} cannot be written to: ${describeError(error)}`
  }
  await directory.check().catch(() => undefined)
  return undefined
}
