/** Times as Cuckoo shows them. */

const TWO_DIGITS = Array.from({ length: 60 }, (_, number) => String(number).padStart(2, '0'))

/** `YYYY-MM-DD HH:MM:SS`, local time without a zone. */
export function stamp(time: number): string {
  // By parts it takes half the time of `toISOString`, and lists have three for each task.
  const at = new Date(time)
  const date = `${at.getFullYear()}-${TWO_DIGITS[at.getMonth() + 1]}-${TWO_DIGITS[at.getDate()]}`
  return `${date} ${TWO_DIGITS[at.getHours()]}:${TWO_DIGITS[at.getMinutes()]}:${TWO_DIGITS[at.getSeconds()]}`
}
