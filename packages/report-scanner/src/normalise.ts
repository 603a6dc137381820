// Makes one shape of what Cuckoo 1.x, Cuckoo 2.0 and CAPE write. Fields are coerced one by one, as the versions differ in types, not in meaning:
// cuckoosandbox/cuckoo:modules/processing/behavior.py (1.x), cuckoosandbox/cuckoo:cuckoo/processing/platform/windows.py (2.0),
// kevoreilly/CAPEv2:modules/processing/behavior.py.
import type { Scalar } from '@cuckoo-distributed/json-scanner'

/** One argument of an API call. Objects and lists are JSON text. */
export type CallArgument = Readonly<Record<'name' | 'value', string>>

/** One API call, with the names and types of Cuckoo 1.x. What the report does not say is the empty string, false or the empty list. */
export interface ApiCall {
  readonly category: string
  readonly status: boolean
  readonly return: string
  /** `YYYY-MM-DD HH:MM:SS,mmm` by the clock of the guest. */
  readonly timestamp: string
  readonly thread_id: string
  /** How often the call was repeated directly after this one. */
  readonly repeated: number | ''
  readonly api: string
  /** Position in the list of calls of its process. */
  readonly id: number | ''
  readonly arguments: readonly CallArgument[]
}

/** Any value as text: null and a missing value as the empty string, objects and lists as JSON. Lone surrogates become U+FFFD. */
export function toText(value: unknown): string {
  if (value === null || value === undefined) return ''
  const text = typeof value === 'string' ? value : typeof value === 'object' ? JSON.stringify(value) : String(value)
  return text.toWellFormed()
}

/** A whole number as it is (also one written as a string), anything else as the empty string. */
export function toInteger(value: unknown): number | '' {
  const number = typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value
  return typeof number === 'number' && Number.isSafeInteger(number) ? number : ''
}

/**
 * A point in time as text. Strings stay as they are. Cuckoo 2.0 writes seconds since 1970, counted as if its wall clock were UTC; they become
 * what Cuckoo 1.x writes: `YYYY-MM-DD HH:MM:SS`, with `milliseconds` followed by `,mmm`.
 */
export function toTime(value: unknown, milliseconds: boolean): string {
  if (typeof value !== 'number') return toText(value)
  const date = new Date(Math.round(value * 1000))
  if (Number.isNaN(date.getTime()) || date.getUTCFullYear() < 0 || date.getUTCFullYear() > 9999) return toText(value)
  const text = date.toISOString() // YYYY-MM-DDTHH:MM:SS.mmmZ
  const seconds = `${text.slice(0, 10)} ${text.slice(11, 19)}`
  return milliseconds ? `${seconds},${text.slice(20, 23)}` : seconds
}

/** The name of the machine of an analysis; `FAILED` where there is none, as the Go suite wrote it. */
export function toMachine(machine: Scalar | undefined, name: Scalar | undefined, label: Scalar | undefined): string {
  return toText(name) || toText(label) || toText(machine) || 'FAILED'
}

const isMissing = (value: unknown): boolean => value === undefined || value === null

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function toArguments(value: unknown, cut: (text: string) => string): CallArgument[] {
  const argument = (name: unknown, content: unknown): CallArgument => ({
    name: cut(toText(name)),
    value: cut(toText(content)),
  })
  if (isObject(value)) return Object.entries(value).map(([name, content]) => argument(name, content))
  if (!Array.isArray(value)) return []
  // CAPE's strace reports hold bare strings: kevoreilly/CAPEv2:lib/cuckoo/common/integrations/strace.py.
  return value.map((item: unknown) => (isObject(item) ? argument(item.name, item.value) : argument('', item)))
}

/** What Cuckoo 2.0 calls otherwise than 1.x and CAPE do: cuckoosandbox/monitor:sigs. */
const CATEGORIES: Readonly<Record<string, string>> = { file: 'filesystem', synchronisation: 'synchronization' }

function toCategory(value: unknown): string {
  const text = toText(value)
  return Object.hasOwn(CATEGORIES, text) ? (CATEGORIES[text] ?? text) : text
}

/** What a call returned. Cuckoo 2.0 writes a signed number, a large one arrives as text; 1.x and CAPE its bits: `0xc0000034`. */
function toReturn(value: unknown): string {
  const text = toText(value)
  if (!(typeof value === 'number' ? /^-?\d+$/ : /^-?\d{16,20}$/).test(text)) return text
  const number = BigInt(text)
  const bits = number < -(2n ** 31n) ? 64 : 32
  return `0x${(number < 0n ? BigInt.asUintN(bits, number) : number).toString(16).padStart(8, '0')}`
}

/**
 * A call of any of the three systems, or undefined if `value` is no object. `cut` shortens text that is too long. Cuckoo 2.0 neither counts
 * calls nor contracts repeated ones: theirs are `index`, the place among those of its process, and 0.
 */
export function toCall(value: unknown, index: number, cut: (text: string) => string): ApiCall | undefined {
  if (!isObject(value)) return undefined
  const isOfSecond = value.tid !== undefined
  return {
    category: cut(toCategory(value.category)),
    status: value.status === true || value.status === 1,
    return: cut(isMissing(value.return) ? toReturn(value.return_value) : toText(value.return)),
    timestamp: cut(toTime(value.timestamp ?? value.time, true)),
    thread_id: cut(toText(value.thread_id ?? value.tid)),
    repeated: toInteger(value.repeated ?? (isOfSecond ? 0 : undefined)),
    api: cut(toText(value.api)),
    id: toInteger(value.id ?? (isOfSecond ? index : undefined)),
    arguments: toArguments(value.arguments, cut),
  }
}
