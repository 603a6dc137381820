// Puts dumps back to work: each is published straight to the queue where it failed, and removed once the broker has it.
import { readdir } from 'node:fs/promises'
import {
  describeError,
  errorCode,
  type HeaderTable,
  InvalidMessageError,
  type Logger,
  type Publisher,
  readHeaders,
  ServiceError,
  type Telemetry,
  toError,
  writeHeaders,
} from '@cuckoo-distributed/core'
import { syncDirectory } from '@cuckoo-distributed/staging'
import { Body, idsOf } from './body.js'
import { Claim, claimedName } from './claim.js'
import { decodeDump, isDumpName, type RevivedMessage } from './dump-file.js'
import { dumpOfNotice } from './notices.js'
import { RESUBMITTED, whoAmI, withOneMore } from './resubmissions.js'
import { readMark, removeMark, type SendingMark, writeMark } from './sending-mark.js'

export interface SendOptions {
  readonly dir: string
  readonly publisher: Pick<Publisher, 'publish'>
  readonly telemetry?: Telemetry | undefined
  /** Where all dumps go, instead of the queue that each names. */
  readonly to?: string | undefined
  /** Where dumps go that are no failed messages; without it they stay. */
  readonly rawQueue?: string | undefined
  /** Who asks for it. Default: the user of this process. */
  readonly by?: string | undefined
  /** Between two renewals of a claim, in milliseconds. Default 30 s. */
  readonly renewMs?: number | undefined
}

/** What became of a dump. */
export type Sent =
  | {
      readonly outcome: 'sent'
      readonly queue: string
      /** Why the message may be there twice. */
      readonly perhapsTwice?: string
    }
  | { readonly outcome: 'left'; readonly why: string }

export interface ResubmitOptions extends Omit<SendOptions, 'to'> {
  readonly log: Logger
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
  let resubmitted = 0
  for (const name of names.sort()) {
    if (signal.aborted) break
    const sent = await sendDump(name, options, signal)
    if (sent.outcome === 'sent') {
      resubmitted += 1
      log.info({ file: name, target: sent.queue }, 'resubmitted')
      if (sent.perhapsTwice) log.warn({ file: name, why: sent.perhapsTwice }, 'the message may be there twice')
    } else log.error({ file: name, cause: sent.why }, 'left in the dump directory')
  }
  const after = await readdir(dir)
  const held = after.filter(file => isDumpName(claimedName(file) ?? ''))
  if (held.length > 0)
    log.warn({ files: held }, 'claimed by another resubmission; if that has died, they will be dumps again soon')
  return { resubmitted, left: held.length + after.filter(name => names.includes(name)).length }
}

/** Puts one dump back to work. Does not throw. */
export async function sendDump(name: string, options: SendOptions, signal: AbortSignal): Promise<Sent> {
  const { dir, renewMs } = options
  try {
    await using dump = await Claim.take(dir, name, renewMs)
    if (!dump) return { outcome: 'left', why: 'in use by another process, or gone' }
    // CRITs must not be told that an analysis has ended which goes on.
    await using notice = await claimNotice(name, options)
    const sent = await publishClaimed(dump, name, options, signal).catch(async (error: unknown) => {
      await notice?.giveBack()
      await dump.giveBack()
      throw error
    })
    // Whoever finds the dump again after a power cut must find the mark beside it.
    await dump.remove().catch((error: unknown) => {
      throw errorCode(error) === 'ENOENT' ? claimLost(sent) : error
    })
    await syncDirectory(dir)
    await removeMark(dir, name)
    await notice?.remove()
    return sent
  } catch (error: unknown) {
    return { outcome: 'left', why: describeError(error) }
  }
}

/** Whoever held it was stopped for so long that it got its name back. */
function claimLost({ queue }: { readonly queue: string }): ServiceError {
  const problem = `it was sent to "${queue}", but its claim had expired: sending it again would send it twice`
  return new ServiceError('CLAIM_LOST', problem)
}

async function claimNotice(name: string, { dir, renewMs }: SendOptions): Promise<Claim | undefined> {
  const notice = (await readdir(dir)).find(file => dumpOfNotice(file) === name)
  return notice === undefined ? undefined : Claim.take(dir, notice, renewMs)
}

async function publishClaimed(
  dump: Claim,
  name: string,
  options: SendOptions,
  signal: AbortSignal,
): Promise<Extract<Sent, { readonly outcome: 'sent' }>> {
  const { dir, publisher, by = whoAmI() } = options
  const { queue, body, headers } = read(await dump.read(), options)
  const earlier = await readMark(dir, name)
  const mark: SendingMark = { at: new Date().toISOString(), by, queue }
  await writeMark(dir, name, mark)
  try {
    await dump.renew()
    const table = resubmitted(headers, mark, earlier !== undefined)
    const sent = await publisher.publish(queue, body, table, signal, { maxBytes: Number.POSITIVE_INFINITY })
    options.telemetry?.happened(subjectOf(body), {
      event: 'resubmitted',
      at: Date.parse(mark.at),
      to: queue,
      file: name,
      reason: `by ${by}`,
    })
    const why = earlier ? cutOff(earlier) : sent === 'perhaps-twice' ? 'the connection was lost before a confirm' : ''
    return { outcome: 'sent', queue, ...(why && { perhapsTwice: why }) }
  } catch (error: unknown) {
    if (isSurelyNotSent(toError(error))) {
      if (earlier) await writeMark(dir, name, earlier)
      else await removeMark(dir, name)
    }
    throw error
  }
}

function subjectOf(body: Buffer): ReturnType<typeof idsOf> {
  return idsOf(Body.plain(body).findSubject())
}

/** The broker has refused it, or it was never sent. Anything else may have come to the broker all the same. */
function isSurelyNotSent(error: Error): boolean {
  return ['UNDELIVERABLE', 'MESSAGE_TOO_LARGE'].includes(errorCode(error))
}

function cutOff({ at, by }: SendingMark): string {
  return `a resubmission by ${by}${at && ` at ${at}`} was cut off`
}

function resubmitted(headers: HeaderTable, { at, by }: SendingMark, isRepeat: boolean): HeaderTable {
  const own = readHeaders(headers)
  own.notes.set(RESUBMITTED, withOneMore(own.notes.get(RESUBMITTED), at, by))
  return writeHeaders({ ...own, seen: own.seen || isRepeat })
}

function read(bytes: Buffer, { to, rawQueue = to }: SendOptions): RevivedMessage {
  try {
    const message = decodeDump(bytes)
    return to === undefined ? message : { ...message, queue: to }
  } catch (error: unknown) {
    if (!(error instanceof InvalidMessageError)) throw error
    if (rawQueue === undefined) {
      const problem =
        'the file is not a failed message; give the queue for such files with --queue NAME, or --to NAME of `dumps resubmit`'
      throw new ServiceError('NO_FAILED_MESSAGE', problem, { cause: error })
    }
    return { queue: rawQueue, body: bytes, headers: {} }
  }
}
