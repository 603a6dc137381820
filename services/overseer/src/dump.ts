// The dump directory: what is in it survives a power cut, and a directory that cannot be written to is waited for.
import { randomUUID } from 'node:crypto'
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode, type Logger, toError } from '@cuckoo-distributed/core'
import { type BackOffOptions, backOff, delay } from '@cuckoo-distributed/wait'
import { isPresent, presenceId } from './presence.js'

/** A dump that is being put back to work. */
const CLAIM = /^\.resubmit-(?<claimant>\w+)-(?<name>.+)/
const HALF_WRITTEN = '.tmp-'

/** After this a half-written file is nobody's. One that is taken away from its writer is written again. */
const STALE_MS = 60_000

/** What a dump is called while the process with this presence puts it back to work. */
export function claimName(name: string, presenceId: string): string {
  return `.resubmit-${presenceId}-${name}`
}

/**
 * Makes the directory if it is missing (mode 0700) and tidies up after processes that have died: half-written files go,
 * dumps that were being put back to work get their names back.
 */
export async function prepareDumpDir(dir: string, log: Logger): Promise<void> {
  await mkdir(dir, { mode: 0o700 }).catch((error: unknown) => {
    if (errorCode(toError(error)) !== 'EEXIST') throw error
  })
  const { mode } = await stat(dir)
  if ((mode & 0o077) !== 0) {
    log.warn({ mode: (mode & 0o777).toString(8) }, 'DumpDir is open to other users; dumps hold API keys: chmod 700')
  }
  for (const file of await readdir(dir)) await tidy(dir, file, log)
}

async function tidy(dir: string, file: string, log: Logger): Promise<void> {
  const path = join(dir, file)
  const { claimant, name } = CLAIM.exec(file)?.groups ?? {}
  const socketOf = presenceId(file)
  try {
    if (file.startsWith(HALF_WRITTEN)) {
      if (await isStale(path)) await rm(path)
    } else if (socketOf !== undefined) {
      // The age is for a process between making its socket and listening on it.
      if ((await isStale(path)) && !(await isPresent(dir, socketOf))) await rm(path)
    } else if (claimant !== undefined && name !== undefined && !(await isPresent(dir, claimant))) {
      await rename(path, join(dir, name))
      log.warn({ file: name }, 'a dump was left half resubmitted; it is a dump again')
    }
  } catch (error: unknown) {
    if (errorCode(toError(error)) !== 'ENOENT') throw error // another overseer that has just started was faster
  }
}

async function isStale(path: string): Promise<boolean> {
  return Date.now() - (await stat(path)).mtimeMs > STALE_MS
}

export interface DumpWriterOptions {
  readonly dir: string
  /** How many messages may wait at a time for a directory that cannot be written to. */
  readonly maxWaiting: number
  readonly log: Logger
  /** Between two tries of a waiting message. Default 0.5 s to 30 s. */
  readonly pauses?: BackOffOptions
}

/** How long a message tries that may not wait: long enough that such messages do not go round without pause. */
const SHORT_WAIT_MS = 1000

export class DumpWriter {
  readonly #options: DumpWriterOptions
  #waiting = 0
  #failing = false

  constructor(options: DumpWriterOptions) {
    this.#options = options
  }

  /**
   * Resolves with true once the file is safely on disk, over an older one of that name. While the directory cannot be
   * written to it waits, and resolves with false when too many others wait already. Rejects with `signal.reason`.
   */
  async write(name: string, content: Buffer, signal: AbortSignal): Promise<boolean> {
    if (await this.#isWritten(name, content)) return true
    if (this.#waiting >= this.#options.maxWaiting) {
      await delay(SHORT_WAIT_MS, signal)
      return this.#isWritten(name, content)
    }
    const pause = backOff(this.#options.pauses ?? { initialMs: 500, maxMs: 30_000 })
    this.#waiting += 1
    try {
      do await delay(pause.next(), signal)
      while (!(await this.#isWritten(name, content)))
      return true
    } finally {
      this.#waiting -= 1
    }
  }

  async #isWritten(name: string, content: Buffer): Promise<boolean> {
    const { dir, log } = this.#options
    try {
      await writeDurably(dir, name, content)
      if (this.#failing) log.info('DumpDir can be written to again')
      this.#failing = false
      return true
    } catch (error: unknown) {
      if (!this.#failing) log.error({ err: error }, 'DumpDir cannot be written to; failed messages wait')
      this.#failing = true
      return false
    }
  }
}

/** The file is complete under its name, or not there at all, whenever the power goes. */
async function writeDurably(dir: string, name: string, content: Buffer): Promise<void> {
  const temporary = join(dir, `${HALF_WRITTEN}${randomUUID()}`)
  try {
    await writeAndSync(temporary, content)
    await rename(temporary, join(dir, name))
  } catch (error: unknown) {
    await rm(temporary, { force: true }).catch(() => undefined) // the first error tells more; the next start tidies up
    throw error
  }
  await syncDirectory(dir)
}

async function writeAndSync(path: string, content: Buffer): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function syncDirectory(dir: string): Promise<void> {
  const directory = await open(dir, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
