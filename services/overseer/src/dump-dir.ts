// The dump directory: whose it is, which of its files are dumps, and what processes that have died left in it.
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { ConfigError, describeError, errorCode, type Logger } from '@cuckoo-distributed/core'
import { isHalfWritten } from '@cuckoo-distributed/staging'
import { delay } from '@cuckoo-distributed/wait'
import { claimedName, expiredClaim } from './claim.js'
import { dumpOfEdit } from './dumps/edit-dir.js'
import { dumpOfMark } from './sending-mark.js'

/** After this a half-written file is nobody's. One that is taken away from its writer is written again. */
const STALE_MS = 60_000

/** Makes the directory if it is missing (mode 0700). */
export async function makeDumpDir(dir: string, log: Logger): Promise<void> {
  await mkdir(dir, { mode: 0o700 }).catch((error: unknown) => {
    if (errorCode(error) !== 'EEXIST') throw error
  })
  const { mode } = await stat(dir)
  if ((mode & 0o077) !== 0) {
    log.warn({ mode: (mode & 0o777).toString(8) }, 'DumpDir is open to other users; dumps hold API keys: chmod 700')
  }
}

/** Throws ConfigError unless the directory is this user's: an overseer cannot read what another user has put back into it. */
export async function requireOwner(dir: string, user = process.getuid?.()): Promise<void> {
  const { uid } = await stat(dir)
  if (user === undefined || user === uid) return
  throw new ConfigError('DumpDir', [`${dir} belongs to user ${uid}, and this is user ${user}: run it as user ${uid}`])
}

/** Does `round` now and then, until `signal` is aborted. */
export async function eachMinute(
  round: () => Promise<void>,
  log: Logger,
  signal: AbortSignal,
  everyMs = 60_000,
): Promise<void> {
  while (!signal.aborted) {
    // A directory that is away is the business of those who write to it.
    await round().catch((error: unknown) => log.debug({ cause: describeError(error) }, 'DumpDir was not scanned'))
    await delay(everyMs, signal).catch(() => undefined) // the process stops
  }
}

/** What processes that have died left half written goes; what they had claimed gets its name back. */
export async function sweep(dir: string, log: Logger): Promise<void> {
  const files = await readdir(dir)
  const claimed = files.map(claimedName)
  const isLeft = (file: string) => {
    const [marked, edited] = [dumpOfMark(file), dumpOfEdit(file)]
    if (marked !== undefined) return !files.includes(marked) && !claimed.includes(marked)
    return edited === undefined ? isHalfWritten(file) : !claimed.includes(edited)
  }
  for (const file of files) await tidy(dir, file, isLeft(file), log)
}

async function tidy(dir: string, file: string, isLeft: boolean, log: Logger): Promise<void> {
  const path = join(dir, file)
  const name = expiredClaim(file)
  try {
    if (isLeft) {
      if (Date.now() - (await stat(path)).mtimeMs > STALE_MS) await rm(path, { recursive: true, force: true })
    } else if (name !== undefined) {
      await rename(path, join(dir, name))
      log.warn({ file: name }, 'was claimed by a process that has died; it has its name again')
    }
  } catch (error: unknown) {
    if (errorCode(error) !== 'ENOENT') throw error // another overseer was faster
  }
}
