// Puts dumps back to work: each is published straight to the queue where it failed, and removed once the broker has it.
import { readdir, readFile } from 'node:fs/promises'
import { describeError, InvalidMessageError, type Logger, type Publisher, ServiceError } from '@cuckoo-distributed/core'
import { Claim, claimedName } from './claim.js'
import { decodeDump, isDumpName, type RevivedMessage } from './dump-file.js'
import { dumpOfNotice } from './notices.js'

export interface ResubmitOptions {
  readonly dir: string
  readonly publisher: Pick<Publisher, 'publish'>
  /** Where dumps go that are no failed messages; without it they stay. */
  readonly rawQueue?: string | undefined
  readonly log: Logger
  /** Between two renewals of a claim, in milliseconds. Default 30 s. */
  readonly renewMs?: number | undefined
}

export interface Resubmission {
  readonly resubmitted: number
  /** Dumps that are still there, those in other hands included; each has its line in the log. */
  readonly left: number
}

/**
 * Publishes every dump that is there at the beginning, one after another, with a fresh count of attempts. Safe beside a
 * running overseer and beside others that do the same: a dump is claimed by a new name first. What cannot be published
 * gets its name back. An aborted signal ends it between two dumps, or while one waits for the broker.
 * Throws the errors of the file system.
 */
export async function resubmitDumps(options: ResubmitOptions, signal: AbortSignal): Promise<Resubmission> {
  const { dir, log } = options
  const files = await readdir(dir, { withFileTypes: true })
  const names = files.filter(file => file.isFile() && isDumpName(file.name)).map(file => file.name)
  for (const { name } of files) {
    if (!names.includes(name) && !name.startsWith('.')) log.warn({ file: name }, 'not named as a dump; left alone')
  }
  const noticeOf = new Map(files.map(({ name }) => [dumpOfNotice(name), name]))
  let resubmitted = 0
  for (const name of names.sort()) {
    if (signal.aborted) break
    if (await isResubmitted(name, noticeOf.get(name), options, signal)) resubmitted += 1
  }
  const after = await readdir(dir)
  const held = after.filter(file => isDumpName(claimedName(file) ?? ''))
  if (held.length > 0)
    log.warn({ files: held }, 'in the hands of a resubmission; if it has died they are dumps again soon')
  return { resubmitted, left: held.length + after.filter(name => names.includes(name)).length }
}

async function isResubmitted(
  name: string,
  noticeName: string | undefined,
  options: ResubmitOptions,
  signal: AbortSignal,
): Promise<boolean> {
  const { dir, publisher, rawQueue, renewMs } = options
  const log = options.log.child({ file: name })
  try {
    await using dump = await Claim.take(dir, name, renewMs)
    if (!dump) return false
    // CRITs must not be told that an analysis has ended which goes on.
    await using notice = noticeName === undefined ? undefined : await Claim.take(dir, noticeName, renewMs)
    try {
      const { queue, body, headers } = read(await readFile(dump.path), rawQueue)
      await publisher.publish(queue, body, headers, signal, Number.POSITIVE_INFINITY)
      log.info({ target: queue }, 'resubmitted')
    } catch (error: unknown) {
      await notice?.giveBack()
      await dump.giveBack()
      throw error
    }
    await dump.remove()
    await notice?.remove()
    return true
  } catch (error: unknown) {
    log.error({ cause: describeError(error) }, 'left in the dump directory')
    return false
  }
}

function read(bytes: Buffer, rawQueue: string | undefined): RevivedMessage {
  try {
    return decodeDump(bytes)
  } catch (error: unknown) {
    if (!(error instanceof InvalidMessageError)) throw error
    if (rawQueue === undefined) {
      const problem = 'the file is no failed message; name the queue for such files with --queue NAME'
      throw new ServiceError('NO_FAILED_MESSAGE', problem, { cause: error })
    }
    return { queue: rawQueue, body: bytes, headers: {} }
  }
}
