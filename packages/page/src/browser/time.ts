const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** A length of time in milliseconds, in its largest unit: `5 s`, `3 min`, `7 h`, `4 d`; below two units of one in the next smaller one. */
export function lengthOf(milliseconds: number): string {
  const length = Math.max(0, milliseconds)
  if (length < 2 * MINUTE) return `${Math.round(length / 1000)} s`
  if (length < 2 * HOUR) return `${Math.round(length / MINUTE)} min`
  return length < 2 * DAY ? `${Math.round(length / HOUR)} h` : `${Math.round(length / DAY)} d`
}

/** How long ago it was; both in milliseconds since 1970, `now` by the clock that has told the other. */
export function since(at: number, now: number): string {
  return `${lengthOf(now - at)} ago`
}

/** Milliseconds since 1970 as date and time here: `2026-11-27 21:40:05`. */
export function localTime(at: number): string {
  const date = new Date(at)
  return new Date(at - date.getTimezoneOffset() * MINUTE).toISOString().slice(0, 19).replace('T', ' ')
}
