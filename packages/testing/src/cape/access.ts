/** Who may ask, and how often (`kevoreilly/CAPEv2:web/apikey/authentication.py`, `web/apiv2/throttling.py`). */
import { type CapeAnswer, detail } from './answer.js'
import type { CapeOptions, CapeUser } from './options.js'

const MINUTE = 60_000
const RATE = 5

/** Everybody, where no token is asked for. */
const ANYBODY: CapeUser = { name: '', keys: [], rate: null, reports: false }

export class Access {
  readonly #users: readonly CapeUser[] | undefined
  readonly #limited: boolean
  readonly #window: number
  /** When each user asked within the last minute (`performance.now`). */
  readonly #seen = new Map<CapeUser, number[]>()

  constructor({ users, rateLimit = true, rateWindow = MINUTE }: CapeOptions) {
    this.#users = users
    this.#limited = rateLimit
    this.#window = rateWindow
  }

  /** The user, or the answer to somebody who may not ask (now). */
  admit(authorization: string | undefined): CapeUser | CapeAnswer {
    if (this.#users === undefined) return ANYBODY
    const [scheme = '', ...rest] = (authorization ?? '').split(' ')
    const refuse = (text: string) => detail(401, text, { 'WWW-Authenticate': 'Token' })
    if (scheme.toLowerCase() !== 'token') return refuse('Authentication credentials were not provided.')
    if (rest.length === 0) return refuse('Invalid token header. No credentials provided.')
    if (rest.length > 1) return refuse('Invalid token header. Token string should not contain spaces.')
    if (this.#users.some(({ revoked = [] }) => revoked.includes(rest[0] ?? '')))
      return refuse('API key has been revoked.')
    const user = this.#users.find(({ keys }) => keys.includes(rest[0] ?? ''))
    if (user === undefined) return refuse('Invalid token.')
    const waitMs = this.#limited ? this.#count(user) : 0
    if (waitMs === 0) return user
    const seconds = Math.ceil(waitMs / 1000)
    const text = `Request was throttled. Expected available in ${seconds} second${seconds === 1 ? '' : 's'}.`
    return detail(429, text, { 'Retry-After': String(seconds) })
  }

  /** Milliseconds until the next request is allowed; 0: this one is, and counts. */
  #count(user: CapeUser): number {
    const rate = user.rate === undefined ? RATE : user.rate
    if (user.staff === true || rate === null) return 0
    const now = performance.now()
    const seen = (this.#seen.get(user) ?? []).filter(at => now - at < this.#window)
    this.#seen.set(user, seen)
    if (seen.length >= rate) return Math.max(1, (seen[seen.length - rate] ?? now) + this.#window - now)
    seen.push(now)
    return 0
  }
}
