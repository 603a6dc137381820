// oversee: a failed message is either put into a delay queue for its next try, or dumped.
import {
  type BoundStage,
  describeError,
  done,
  forward,
  type Happening,
  later,
  type MessageHeaders,
  type Outcome,
  type SharedCauses,
  type StageContext,
} from '@cuckoo-distributed/core'
import { Body, type BodySubject, idsOf } from './body.js'
import { DELAY_LADDER, delayQueue, LONGEST_DELAY } from './config.js'
import type { DumpWriter } from './dump.js'
import { dumpName, encodeDump } from './dump-file.js'
import { DUE, type Failed, readFailed } from './failed-message.js'
import { type Notice, type Notices, noticeName } from './notices.js'

/** `Desc` of a failure whose task was most likely done and cleaned up before: its analysis is no error. */
export const TASK_GONE_AFTER_CLEANUP = 'TASK_GONE_AFTER_CLEANUP'

/** Of failed messages; the stages of the delay queues hold one more each. One of the default `MaxMessageSize` fits. */
export const BYTES_IN_HAND = 16 * 1024 * 1024

export interface OverseeOptions {
  readonly queue: string
  readonly prefetch: number
  /** Seconds before each further try. */
  readonly retryDelays: readonly number[]
  /** Seconds from the first failure of a shared cause on. */
  readonly sharedCauseLimit: number
  readonly causes: SharedCauses
  readonly dumps: Pick<DumpWriter, 'write'>
  readonly notices: Pick<Notices, 'tell'>
}

/** The stage of the failed queue. It never fails itself: a FailedMsg inside a FailedMsg could go round for ever. */
export function overseeStage(options: OverseeOptions): BoundStage {
  const { queue, prefetch } = options
  return { queue, prefetch, bytesInHand: BYTES_IN_HAND, run: context => oversee(context, options) }
}

async function oversee(context: StageContext, options: OverseeOptions): Promise<Outcome> {
  const { headers, delivery } = context
  let subject: Subject
  try {
    const failed = readFailed(delivery.body, headers)
    subject = { failed, ...failed.body.findSubject() }
  } catch (error: unknown) {
    return dumpAsItIs(context, describeError(error), options)
  }
  const { failed } = subject
  // A Go stage counts no attempts; that the message is here is the first.
  if (!headers.cause) headers.attempts = Math.max(1, headers.attempts)
  context.describe({ from: failed.service, target: failed.queue, ...idsOf(subject), attempt: headers.attempts })
  const step = nextStep(headers, options)
  if ('giveUp' in step) return dump(context, { ...subject, why: step.giveUp }, options)
  const due = Date.now() + step.delaySeconds * 1000
  headers.notes.set(DUE, due)
  const { attempts, cause } = headers
  if (cause && options.causes.begins(`${cause.code} ${failed.queue}`)) {
    context.log.error({ code: cause.code }, 'messages wait until a shared cause is fixed')
  }
  const count = cause ? { code: cause.code, tries: cause.tries } : { attempts }
  context.log.info({ ...count, delaySeconds: step.delaySeconds }, 'will be tried again')
  const reason = lastFailure(failed, headers)
  const told: Happening = cause
    ? { event: 'waits for its cause', due, code: cause.code, reason }
    : { event: 'retry due', due, code: failed.desc, reason }
  return forward(delayQueue(options.queue, step.delaySeconds), delivery.body, {
    carry: 'all',
    told,
    orElse: refusal => dump(context, { ...subject, why: describeError(refusal) }, options),
  })
}

/** How long the next try has to wait, or why there is none. */
export function nextStep(
  { attempts, permanent, cause }: Pick<MessageHeaders, 'attempts' | 'permanent' | 'cause'>,
  { retryDelays, sharedCauseLimit }: Pick<OverseeOptions, 'retryDelays' | 'sharedCauseLimit'>,
  now = Date.now(),
): { readonly delaySeconds: number } | { readonly giveUp: string } {
  if (permanent) return { giveUp: 'no retry can succeed' }
  if (cause) {
    const isOver = now - cause.since >= sharedCauseLimit * 1000
    if (isOver) return { giveUp: `${cause.code} has lasted for SharedCauseLimit, ${sharedCauseLimit} s` }
    return { delaySeconds: DELAY_LADDER[cause.tries - 1] ?? LONGEST_DELAY }
  }
  const delaySeconds = retryDelays[attempts - 1]
  if (delaySeconds !== undefined) return { delaySeconds }
  return { giveUp: attempts === 1 ? 'failed once' : `failed ${attempts} times` }
}

interface Subject extends BodySubject {
  readonly failed: Failed
}

async function dump(
  context: StageContext,
  { failed, crits, why }: Omit<Subject, 'taskId'> & { readonly why: string },
  options: OverseeOptions,
): Promise<Outcome> {
  const { headers, delivery } = context
  const file = dumpName(failed.failedAt, delivery.body, 'json')
  if (!(await options.dumps.write(file, encodeDump(failed, headers), context.waiting, delivery.body.length)))
    return later()
  const cause = lastFailure(failed, headers)
  context.log.error({ file, why, cause, attempts: headers.attempts }, 'dumped')
  const told: Happening = { event: 'dumped', file, code: failed.desc, reason: `${why}: ${cause}` }
  if (!crits) return done({ told })
  const line = `Given up (${why}); the overseer keeps the message as ${file}. ${cause}`
  return doneWhenNoted(context, file, { crits, line, isError: failed.desc !== TASK_GONE_AFTER_CLEANUP }, told, options)
}

/** What is no failed message is kept byte for byte; nobody but an administrator can know where it belongs. */
async function dumpAsItIs(context: StageContext, why: string, options: OverseeOptions): Promise<Outcome> {
  const { body } = context.delivery
  const file = dumpName('', body, 'bin')
  if (!(await options.dumps.write(file, [body], context.waiting, body.length))) return later()
  context.log.error({ file, why }, 'not a failed message; dumped unchanged')
  const subject = Body.plain(body).findSubject()
  const { crits } = subject
  context.describe(idsOf(subject))
  const told: Happening = { event: 'dumped', file, reason: why }
  if (!crits) return done({ told })
  const line = `Given up (${why}); the overseer keeps the message as ${file}.`
  return doneWhenNoted(context, file, { crits, line, isError: true }, told, options)
}

/** CRITs is told from the disk: a message in hand must not wait for it, and a restart forgets nothing. */
async function doneWhenNoted(
  context: StageContext,
  dumpFile: string,
  notice: Omit<Notice, 'at'>,
  told: Happening,
  options: OverseeOptions,
): Promise<Outcome> {
  const file = noticeName(dumpFile, notice.crits)
  const content = Buffer.from(JSON.stringify({ ...notice, at: Date.now() } satisfies Notice))
  if (!(await options.dumps.write(file, [content], context.waiting, context.delivery.body.length))) return later()
  options.notices.tell(file)
  return done({ told })
}

/** One line of at most 1000 characters: a FailedMsg of another origin may hold any text. */
function lastFailure(failed: Failed, headers: MessageHeaders): string {
  const { service, error } = headers.failures.at(-1) ?? failed
  return describeError(`${service}: ${error}`)
}
