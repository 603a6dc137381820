// What a report holds, taken from it as a whole by JSON.parse: the slow, plain way that the scanner must agree with.
import { toCall, toText, toTime } from '../src/normalise.js'

type Json = Record<string, unknown>

const FILE_KEYS =
  /^(files|file_(created|recreated|opened|written|read|deleted|exists|failed|moved|copied)|directory_(created|removed|enumerated))$/
const KEY_KEYS = /^(keys|regkey_(opened|written|read|deleted))$/
const MUTEX_KEYS = /^(mutexes|mutex)$/

/** The rows of a report, with the values of lists that have no order sorted. */
export function rowsOf(report: Json) {
  const behavior = object(report.behavior)
  const processes = objects(behavior.processes)
  const summary = object(behavior.summary)
  const { md5, sha256 } = texts(object(object(report.target).file), ['md5', 'sha256'])
  return {
    target: md5 || sha256 ? { md5, sha256 } : undefined,
    signatures: objects(report.signatures).map(signature => texts(signature, ['name', 'description', 'severity'])),
    processes: processes.map(process => ({
      name: toText(scalar(process.process_name)),
      pid: toText(pidOf(process)),
      parentPid: toText(scalar(process.parent_id) ?? scalar(process.ppid)),
      firstSeen: toTime(scalar(process.first_seen), true),
    })),
    calls: processes.flatMap(process => {
      const name = `${toText(scalar(process.process_name))} (${toText(pidOf(process))})`
      return objects(process.calls)
        .filter(call => depthOf(call) <= 64)
        .map(call => ({ ...toCall(call, text => text), process: name }))
    }),
    files: listed(summary, FILE_KEYS),
    keys: listed(summary, KEY_KEYS),
    mutexes: listed(summary, MUTEX_KEYS),
  }
}

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function object(value: unknown): Json {
  return isObject(value) ? value : {}
}

function objects(value: unknown): Json[] {
  return Array.isArray(value) ? value.filter(isObject) : []
}

function scalar(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? undefined : value
}

function pidOf(process: Json): unknown {
  return scalar(process.process_id) ?? scalar(process.pid)
}

function texts<Name extends string>(from: Json, names: readonly Name[]): Record<Name, string> {
  const entries = names.map(name => [name, toText(scalar(from[name]))] as const)
  return Object.fromEntries(entries) as Record<Name, string>
}

function listed(summary: Json, names: RegExp): string[] {
  const lists = Object.entries(summary).filter(([name, list]) => names.test(name) && Array.isArray(list))
  const values = lists.flatMap(([, list]) => (Array.isArray(list) ? list.flat() : []))
  const found = values.filter(value => value !== null && scalar(value) !== undefined).map(toText)
  return [...new Set(found)].sort()
}

function depthOf(value: unknown): number {
  let depth = 0
  let level: unknown[] = [value]
  for (;;) {
    level = level.filter(item => typeof item === 'object' && item !== null).flatMap(item => Object.values(Object(item)))
    depth += 1
    if (level.length === 0) return depth
  }
}
