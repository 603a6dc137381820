/** The `behavior` section of a report in the two shapes that Cuckoo has had. */
import type { ApiCall, Behaviour, ProcessRun } from './behaviour.js'
import { type CuckooVersion, FLAVOURS, localAsUtc } from './flavour.js'
import { PythonFloat, type PythonValue } from './python-json.js'

/** `started` is when the first process was seen; calls follow it by 10 ms each. */
export function behaviourSection(behaviour: Behaviour, version: CuckooVersion, started: Date): PythonValue {
  return FLAVOURS[version].behaviour === 1 ? firstShape(behaviour, started) : secondShape(behaviour, started)
}

function firstShape({ processes, files, keys, mutexes }: Behaviour, started: Date): PythonValue {
  const tree = (parent: number): PythonValue[] =>
    processes
      .filter(process => process.parent === parent)
      .map(({ pid, name }) => ({ parent_id: parent, pid, children: tree(pid), name }))
  return {
    processtree: tree(processes[0]?.parent ?? 0),
    processes: processes.map((process, index) => ({
      parent_id: process.parent,
      process_name: process.name,
      process_id: process.pid,
      first_seen: milliStamp(started, index * 1000),
      calls: process.calls.map((call, id) => firstCall(call, id, milliStamp(started, index * 1000 + 10 * (id + 1)))),
    })),
    anomaly: [],
    enhanced: [
      {
        timestamp: milliStamp(started, 20),
        object: 'file',
        data: { file: files[0] ?? '' },
        event: 'write',
        eid: 1,
      },
    ],
    summary: { files, keys, mutexes },
  }
}

/** The nine keys every call of Cuckoo 1.2 has. `id` restarts with each process. */
export function firstCall(call: ApiCall, id: number, timestamp: string): PythonValue {
  return {
    category: call.category[0],
    status: call.succeeded,
    return: `0x${call.result.toString(16).padStart(8, '0')}`,
    timestamp,
    thread_id: '1234',
    repeated: call.repeated,
    api: call.api,
    arguments: call.inputs.map(([name, , value]) => ({ name, value: String(value) })),
    id,
  }
}

/** `YYYY-MM-DD HH:MM:SS,mmm` in local time. */
export function milliStamp(start: Date, offset: number): string {
  return new Date(localAsUtc(start) + offset).toISOString().slice(0, 23).replace('T', ' ').replace('.', ',')
}

function secondShape(behaviour: Behaviour, started: Date): PythonValue {
  const { processes, files, keys, mutexes, addresses } = behaviour
  const seconds = (offset: number): PythonFloat => new PythonFloat((localAsUtc(started) + offset) / 1000)
  const summary = {
    connects_ip: addresses,
    file_opened: files.slice(0, -1),
    mutex: mutexes,
    regkey_opened: keys,
    file_written: files.slice(0, 1),
    file_moved: [[files[0] ?? '', files.at(-1) ?? '']],
  }
  const head = (process: ProcessRun, index: number) => ({
    track: true,
    pid: process.pid,
    process_name: process.name,
    command_line: `"${process.path}"`,
    first_seen: seconds(index * 1000),
    ppid: process.parent,
  })
  const tree = (parent: number): PythonValue[] =>
    processes
      .map((process, index) => ({ process, index }))
      .filter(({ process }) => process.parent === parent)
      .map(({ process, index }) => ({ ...head(process, index), children: tree(process.pid) }))
  return {
    generic: processes.map((process, index) => ({
      process_path: process.path,
      process_name: process.name,
      pid: process.pid,
      summary: index === 0 ? summary : {},
      first_seen: seconds(index * 1000),
      ppid: process.parent,
    })),
    apistats: Object.fromEntries(processes.map(process => [String(process.pid), apiCounts(process.calls)])),
    processes: processes.map((process, index) => ({
      process_path: process.path,
      calls: process.calls.map((call, id) => secondCall(call, seconds(index * 1000 + 10 * (id + 1)))),
      modules: {},
      time: 0,
      tid: 1234,
      type: 'process',
      ...head(process, index),
    })),
    processtree: tree(processes[0]?.parent ?? 0),
    summary,
  }
}

/** A call of Cuckoo 2.0: the error keys are there only when it failed. */
export function secondCall(call: ApiCall, time: PythonFloat): PythonValue {
  return {
    category: call.category[1],
    status: call.succeeded ? 1 : 0,
    stacktrace: [],
    ...(call.succeeded ? {} : { last_error: 0, nt_status: -1073741772 }),
    api: call.api,
    return_value: call.result,
    arguments: Object.fromEntries(call.inputs.map(([, name, value]) => [name, value])),
    time,
    tid: 1234,
    flags: {},
  }
}

function apiCounts(calls: readonly ApiCall[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { api } of calls) counts[api] = (counts[api] ?? 0) + 1
  return counts
}
