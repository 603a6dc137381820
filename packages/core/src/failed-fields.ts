// The fields of a failed message beside its body, declared once: their names here, in a FailedMsg and a dump, and in headers.

/** In the order in which the Go suite writes them (`cynexit/cuckoo_distributed:lib/lib.go`); `FailedAt` is ours. */
const FIELDS = [
  ['service', 'Service', 'x-failed-service'],
  ['queue', 'Queue', 'x-failed-queue'],
  ['error', 'Error', 'x-failed-error'],
  ['desc', 'Desc', 'x-failed-desc'],
  ['failedAt', 'FailedAt', 'x-failed-at'],
] as const

type Names = (typeof FIELDS)[number]

/** `failedAt` is ISO 8601 in UTC, and `''` in messages of the Go suite. */
export type FailedFields = Readonly<Record<Names[0], string>>

/** As members of a FailedMsg or a dump. */
export function failedToWire(failed: FailedFields): Record<Names[1], string> {
  return record(([name, wire]) => [wire, failed[name]])
}

/** As headers of a message whose body could not be wrapped. */
export function failedToHeaders(failed: FailedFields): Record<Names[2], string> {
  return record(([name, , header]) => [header, failed[name]])
}

/** What is no text counts as empty. */
export function failedFromWire(wire: Readonly<Record<string, unknown>>): FailedFields {
  return record(([name, key]) => [name, textOf(wire[key])])
}

/** Undefined unless there is a queue: the message is wrapped, or none of ours. */
export function failedFromHeaders(raw: Readonly<Record<string, unknown>>): FailedFields | undefined {
  if (typeof raw['x-failed-queue'] !== 'string') return undefined
  return record(([name, , header]) => [name, textOf(raw[header])])
}

function record<K extends string>(entry: (names: Names) => readonly [K, string]): Record<K, string> {
  const entries = FIELDS.map(entry)
  return Object.fromEntries(entries) as Record<K, string>
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
