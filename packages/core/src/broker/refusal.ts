// What a broker refuses for good, and what to do about it.
import { describeError, errorCode, ServiceError } from '../errors.js'

/** What waiting cannot mend, found before the first successful set-up: wrong password, vhost, or queue arguments. */
export class BrokerRefusedError extends ServiceError {
  constructor(cause: Error) {
    super('BROKER_REFUSED', `the broker refused: ${refusalHelp(cause)}`, { cause })
  }
}

const LOGIN_REFUSED = /ACCESS[-_]REFUSED/
const REFUSALS = new Set(['403', '405', '406', '530', 'QUEUE_MISMATCH'])

/** What amqplib makes of a broker that closes the connection instead of opening the vhost; it drops the broker's reason. */
const VHOST_REFUSED = /Expected ConnectionOpenOk/

/** Whether no waiting can mend it. */
export function isRefusal(error: Error): boolean {
  return REFUSALS.has(errorCode(error)) || VHOST_REFUSED.test(error.message) || LOGIN_REFUSED.test(error.message)
}

/** What to do about it. */
export function refusalHelp(error: Error): string {
  if (VHOST_REFUSED.test(error.message) || errorCode(error) === '530') {
    return 'the vhost in "Amqp" does not exist or is not open to this user (without a path the vhost is "/")'
  }
  if (LOGIN_REFUSED.test(error.message)) {
    return `user or password in "Amqp" is wrong, or the user may not do this (guest may only connect from the broker's own host): ${describeError(error)}`
  }
  return describeError(error)
}
