// What a stage is: it gets one message at a time and says what shall become of it. It never touches a channel.
import type { MessageHeaders } from './headers.js'
import type { Intake } from './intake.js'
import type { Logger } from './logger.js'
import type { Notes } from './notes.js'
import type { Happening, Subject } from './telemetry.js'

/** Work that may only be done once the broker has surely read the ack; its failure is logged and harms nothing. */
export type Afterwards = (signal: AbortSignal) => Promise<void>

/**
 * Told at once, in this process, when an outcome can no longer be undone although its ack may still be lost: the broker
 * has confirmed the successor of a `forward`, or `handle` has said `done`. A stage whose work costs much keeps a key of it
 * (queue, target, digest of what was to be done) for a time, and answers a delivery with the same key as it answered the
 * first one, without the work: `done(afterwards)` after a `forward`, whose successor is there already, as after a `done`.
 * It is not told of work that was cut off, which a redelivery must therefore carry out. Must not throw.
 */
export type CarriedOut = () => void

/** Another outcome in place of a `forward` whose publish was refused; may change the headers and wait as `handle` may. */
export type OrElse = (refusal: Error) => Promise<Outcome>

/**
 * What `handle` wants done with a message; a throw is the fourth one, *fail*.
 * - `forward`: publish `body` to `queue`, then ack. `carry` says which own headers go along: those meant for the next
 *   stage (default), or all of them (the overseer, whose hops are not stages of the message's way). `onward` are the
 *   notes for the next stage, if others than those of the message: a message that cannot be passed on keeps its own.
 *   `orElse` says what to do when the publish is refused for good (no such queue, a nack, too large); without it the
 *   message has failed. `told` is what telemetry hears when it is so, in place of `forwarded` or `done`.
 * - `done`: ack.
 * - `later`: back to the end of its own queue; no failure is counted.
 * - `again`: its body is let go of at once. When `when` has resolved the message goes back to its place in the queue, which
 *   delivers it anew, without a failure. For a stage of prefetch 1 whose large messages wait long. `when` ends as `waiting` does.
 */
export type Outcome =
  | {
      readonly kind: 'forward'
      readonly queue: string
      readonly body: Buffer
      readonly carry: 'next-stage' | 'all'
      readonly onward?: Notes | undefined
      readonly afterwards?: Afterwards | undefined
      readonly carriedOut?: CarriedOut | undefined
      readonly orElse?: OrElse | undefined
      readonly told?: Happening | undefined
    }
  | {
      readonly kind: 'done'
      readonly afterwards?: Afterwards | undefined
      readonly carriedOut?: CarriedOut | undefined
      readonly told?: Happening | undefined
    }
  | { readonly kind: 'later' }
  | { readonly kind: 'again'; readonly when: () => Promise<void> }

export function forward(
  queue: string,
  body: Buffer,
  options: Partial<Omit<Extract<Outcome, { kind: 'forward' }>, 'kind' | 'queue' | 'body'>> = {},
): Outcome {
  return { kind: 'forward', queue, body, carry: 'next-stage', ...options }
}

export function done(options: Omit<Extract<Outcome, { kind: 'done' }>, 'kind'> = {}): Outcome {
  return { kind: 'done', ...options }
}

export function later(): Outcome {
  return { kind: 'later' }
}

/** `when` must not hold on to the body. */
export function again(when: () => Promise<void>): Outcome {
  return { kind: 'again', when }
}

/** A message as it arrived. */
export interface Delivery {
  readonly queue: string
  readonly body: Buffer
  readonly redelivered: boolean
  /**
   * It may have been passed on before: redelivered, or its headers say so as it arrived. A counted failure is no sign of
   * that: what failed was surely not passed on.
   */
  readonly mayBeRepeat: boolean
}

/** What a stage has at hand while it works on one message. */
export interface StageContext {
  readonly delivery: Delivery
  /** Names the message's queue and, once it is decoded, what `bindings` and `describe` gave. */
  readonly log: Logger
  /** The message's own headers; changes made here travel on as `settle` decides. */
  readonly headers: Omit<MessageHeaders, 'seen'> & Readonly<Pick<MessageHeaders, 'seen'>>
  /**
   * Ends *waiting*: the process stops, the channel is gone, or the message was held for `HoldLimit`.
   * Let its reason escape: after `HoldLimit` the message goes to the end of its queue, else the broker gives it back.
   */
  readonly waiting: AbortSignal
  /** Ends *working*: the drain time is over or the channel is gone. Uploads and submissions obey this one. */
  readonly working: AbortSignal
  /** Adds to what every further line of `log`, those of settling, and events name. Never secrets. */
  describe(bindings: Subject & Record<string, unknown>): void
  /**
   * To be called before the first byte of what must not be done twice leaves: from now on the message may have been
   * worked on, and it says so (`x-seen`) wherever it goes unless it is passed on, a failure included.
   */
  markBegun(): void
  /** Tells telemetry what becomes of the message. What the outcome says need not be told. */
  tell(happening: Happening): void
}

/** A stage bound to the queue it consumes. `prefetch` is the number of messages that are worked on at a time. */
export interface BoundStage {
  readonly queue: string
  readonly prefetch: number
  /** Bytes of bodies that are worked on at a time; a larger one is worked on alone. Default: they are not counted. */
  readonly bytesInHand?: number | undefined
  readonly intake?: Intake | undefined
  /** Milliseconds; default `HoldLimit`. `Infinity` for a stage whose waits are bounded by themselves. */
  readonly holdLimitMs?: number | undefined
  /** See StageDefinition. */
  readonly isCostly?: boolean | undefined
  /** See StageDefinition. */
  readonly isWait?: boolean | undefined
  /** Messages of its queue go on waiting once they are received, so that it is no event that they are. Default false. */
  readonly isDelay?: boolean | undefined
  run(context: StageContext): Promise<Outcome>
}

export interface StageDefinition<M> {
  readonly queue: string
  readonly prefetch: number
  /** Closed while the stage wants no new messages. */
  readonly intake?: Intake | undefined
  readonly holdLimitMs?: number | undefined
  /**
   * Its work is not to be done again if that can be helped, and leaves what a repeat would double. After a long silence of
   * the broker a delivery may be with someone else as well: it is carried out all the same. Default false: it is given
   * back, so that nothing follows from it twice.
   */
  readonly isCostly?: boolean | undefined
  /** Its work is to wait for somebody else, for hours perhaps: a trace is not held open so long, but linked with a new one. */
  readonly isWait?: boolean | undefined
  /** Bytes to message. Throws InvalidMessageError. */
  decode(body: Buffer): M
  /** What every log line about this message names, e.g. the analysis id. Never secrets. */
  bindings?(message: M): Subject & Record<string, unknown>
  handle(message: M, context: StageContext): Promise<Outcome>
}

/** Binds a stage to its message type: decode, then handle with a logger that names the message. */
export function bindStage<M>(stage: StageDefinition<M>): BoundStage {
  return {
    queue: stage.queue,
    prefetch: stage.prefetch,
    intake: stage.intake,
    holdLimitMs: stage.holdLimitMs,
    isCostly: stage.isCostly,
    isWait: stage.isWait,
    async run(context) {
      const message = stage.decode(context.delivery.body)
      context.describe({ ...stage.bindings?.(message), attempt: context.headers.attempts + 1 })
      return stage.handle(message, context)
    },
  }
}
