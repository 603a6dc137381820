// Puts dumps back to work: each is published straight to the queue where it failed, and removed once the broker has it.
import { readdir, readFile, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import {
  describeError,
  errorCode,
  InvalidMessageError,
  type Logger,
  type Publisher,
  ServiceError,
  toError,
} from '@cuckoo-distributed/core'
import { claimName } from './dump.js'
import { decodeDump, type RevivedMessage } from './dump-file.js'
import { Presence } from './presence.js'

export interface ResubmitOptions {
  readonly dir: string
  readonly publisher: Pick<Publisher, 'publish'>
  /** Where dumps go that are no failed messages; without it they stay. */
  readonly rawQueue?: string | undefined
  readonly log: Logger
}

export interface Resubmission {
  readonly resubmitted: number
  /** Dumps that are still there; each has its line in the log. */
  readonly left: number
}

/** A dump holds something else than a failed message, so it does not say where it belongs. */
export class NoFailedMessageError extends ServiceError {
  constructor(cause: InvalidMessageError) {
    super('NO_FAILED_MESSAGE', 'the file is no failed message; name the queue for such files with --queue NAME', {
      cause,
    })
  }
}

/**
 * Publishes every dump that is there at the beginning, one after another, with a fresh count of attempts. Safe beside a
 * running overseer and beside others that do the same: a dump is claimed by a new name first. What cannot be published
 * gets its name back. An aborted signal ends it between two dumps, or while one waits for the broker.
 * Throws DumpDirSocketError and the errors of the file system.
 */
export async function resubmitDumps(options: ResubmitOptions, signal: AbortSignal): Promise<Resubmission> {
  const entries = await readdir(options.dir, { withFileTypes: true })
  const names = entries.filter(entry => entry.isFile() && !entry.name.startsWith('.')).map(entry => entry.name)
  await using presence = await Presence.announce(options.dir)
  let resubmitted = 0
  let left = 0
  for (const name of names.sort()) {
    const result = signal.aborted ? 'left' : await resubmitOne(name, claimName(name, presence.id), options, signal)
    if (result === 'resubmitted') resubmitted += 1
    if (result === 'left') left += 1
  }
  return { resubmitted, left }
}

async function resubmitOne(
  name: string,
  claim: string,
  options: ResubmitOptions,
  signal: AbortSignal,
): Promise<'resubmitted' | 'left' | 'gone'> {
  const path = join(options.dir, name)
  const claimed = join(options.dir, claim)
  const log = options.log.child({ file: name })
  try {
    await rename(path, claimed)
  } catch (error: unknown) {
    if (errorCode(toError(error)) === 'ENOENT') return 'gone'
    log.error({ cause: describeError(error) }, 'left in the dump directory')
    return 'left'
  }
  try {
    const { queue, body, headers } = read(await readFile(claimed), options.rawQueue)
    await options.publisher.publish(queue, body, headers, signal, Number.POSITIVE_INFINITY)
    log.info({ target: queue }, 'resubmitted')
  } catch (error: unknown) {
    log.error({ cause: describeError(error) }, 'left in the dump directory')
    await rename(claimed, path)
    return 'left'
  }
  try {
    await unlink(claimed)
    return 'resubmitted'
  } catch (error: unknown) {
    log.error({ cause: describeError(error) }, `resubmitted, but ${claimed} cannot be removed: remove it by hand`)
    return 'left'
  }
}

function read(bytes: Buffer, rawQueue: string | undefined): RevivedMessage {
  try {
    return decodeDump(bytes)
  } catch (error: unknown) {
    if (!(error instanceof InvalidMessageError)) throw error
    if (rawQueue === undefined) throw new NoFailedMessageError(error)
    return { queue: rawQueue, body: bytes, headers: {} }
  }
}
