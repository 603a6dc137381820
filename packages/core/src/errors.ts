// The error classes that carry meaning across the suite, and the two helpers that turn anything thrown into text.
import { redactText } from './redact.js'

/** An error with a stable `code` for logs and for the `Desc` field of a failed message. */
export class ServiceError extends Error {
  readonly code: string
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
    this.code = code
  }
}

/** A failure that no retry can mend; the overseer dumps such a message at once (`x-permanent`). */
export class PermanentError extends ServiceError {
  readonly permanent = true
}

/** True for PermanentError, and for errors of packages that know no services but say `permanent` of themselves. */
export function isPermanent(error: Error): boolean {
  return 'permanent' in error && error.permanent === true
}

/**
 * True for errors that say `sharedCause` of themselves: the failure lies in the place and not in the message (a key that is
 * refused, an API that is off, a certificate that is not trusted), so every other message meets it as well.
 * It does not count among the tries; see `SharedCause` in headers.
 */
export function isSharedCause(error: Error): boolean {
  return 'sharedCause' in error && error.sharedCause === true && !isPermanent(error)
}

/** A message body that cannot be used. `field` is the path of the offending part in its wire spelling. */
export class InvalidMessageError extends PermanentError {
  readonly field: string
  constructor(field: string, problem: string, options?: ErrorOptions) {
    super('INVALID_MESSAGE', `invalid message: ${field} ${problem}`, options)
    this.field = field
  }
}

/** Everything that is wrong with a configuration, one line each. Ends the process with exit code 2. */
export class ConfigError extends ServiceError {
  readonly problems: readonly string[]
  constructor(source: string, problems: readonly string[], options?: ErrorOptions) {
    super('CONFIG', `${source}:\n${problems.map(problem => `  ${problem}`).join('\n')}`, options)
    this.problems = problems
  }
}

/** The reasons a wait can be ended for. They are never failures of the message. */
export class StopRequested extends ServiceError {
  constructor() {
    super('STOPPING', 'the process is stopping')
  }
}
export class ChannelLost extends ServiceError {
  constructor(cause?: unknown) {
    super('CHANNEL_LOST', 'the channel that brought the message is gone', { cause })
  }
}
export class HoldLimitReached extends ServiceError {
  constructor() {
    super('HOLD_LIMIT', 'the message was held for HoldLimit')
  }
}

/** Whatever was thrown, as an Error; libraries also throw strings and undefined. */
export function toError(thrown: unknown): Error {
  if (thrown instanceof Error) return thrown
  // Not every object can be made a text.
  const text = typeof thrown === 'object' ? Object.prototype.toString.call(thrown) : String(thrown)
  return new ServiceError('NOT_AN_ERROR', text)
}

/** The `code` of what was thrown: a string code as it is, AMQP's numbers as text, else `UNEXPECTED`. */
export function errorCode(thrown: unknown): string {
  const error = toError(thrown)
  const code: unknown = 'code' in error ? error.code : undefined
  return typeof code === 'string' || typeof code === 'number' ? String(code) : 'UNEXPECTED'
}

/**
 * The message of an error and of its causes (at most three), in one line of at most `limit` characters (default 1000).
 * Without secrets that can be told from the rest: it may be the text of another program.
 */
export function describeError(thrown: unknown, limit = 1000): string {
  const parts: string[] = []
  let current: unknown = thrown
  for (let deep = 0; current !== undefined && current !== null && deep < 4; deep += 1) {
    const error = toError(current)
    if (!parts.some(part => part.includes(error.message))) parts.push(error.message)
    current = error.cause
  }
  const line = redactText(parts.join(': ')).replace(/\s*\n\s*/g, ' | ')
  return line.length > limit ? `${line.slice(0, limit - 1)}…` : line
}
