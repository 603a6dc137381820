/** Times as Cuckoo shows them. */

/** `YYYY-MM-DD HH:MM:SS`, local time without a zone. */
export function stamp(time: number): string {
  const local = new Date(time - new Date(time).getTimezoneOffset() * 60_000)
  return local.toISOString().slice(0, 19).replace('T', ' ')
}
