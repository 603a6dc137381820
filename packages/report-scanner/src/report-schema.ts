// The wanted parts of a report, as a schema for the walker.
import { Fields } from './fields.js'
import type { Node, ObjectNode } from './node.js'
import { toMachine, toText, toTime } from './normalise.js'
import type { ProcessReader } from './processes.js'
import type { ReportSink } from './sink.js'
import { UniqueValues } from './unique-values.js'

// What Cuckoo 1.x and CAPE keep in one list each, Cuckoo 2.0 keeps in one list for each kind of use:
// cuckoosandbox/cuckoo:cuckoo/processing/platform/windows.py. `file_moved` and `file_copied` are lists of [old, new].
const FILE_LISTS = [
  'files',
  ...['file_created', 'file_recreated', 'file_opened', 'file_written', 'file_read', 'file_deleted', 'file_exists'],
  ...['file_failed', 'file_moved', 'file_copied', 'directory_created', 'directory_removed', 'directory_enumerated'],
]
const KEY_LISTS = ['keys', 'regkey_opened', 'regkey_written', 'regkey_read', 'regkey_deleted']
const MUTEX_LISTS = ['mutexes', 'mutex']

/** The part of a schema that holds its values back until the report is complete. */
export interface HeldNode {
  readonly node: Node
  /** The report is complete. */
  finish(): void
}

/** `info`. */
export function infoNode(sink: ReportSink): HeldNode {
  const info = new Fields(['id', 'started', 'ended'])
  const name = new Fields(['machine'])
  const machine = new Fields(['name', 'label'])
  let present = false
  const begin = (): void => {
    present = false
    for (const fields of [info, name, machine]) fields.clear()
  }
  const machineNode: Node = {
    ...name.nodes.get('machine'),
    begin: () => {
      name.clear()
      machine.clear()
    },
    object: { fields: machine.nodes },
  }
  const open = (): void => {
    present = true
  }
  return {
    node: { begin, object: { fields: new Map(info.nodes).set('machine', machineNode), open } },
    finish: () => {
      if (!present) return
      sink.onInfo?.({
        id: toText(info.get('id')),
        started: toTime(info.get('started'), false),
        ended: toTime(info.get('ended'), false),
        machine: toMachine(name.get('machine'), machine.get('name'), machine.get('label')),
      })
    },
  }
}

/** `target`. */
export function targetNode(sink: ReportSink): HeldNode {
  const file = new Fields(['md5', 'sha256'])
  const begin = (): void => file.clear()
  return {
    node: { begin, object: { fields: new Map([['file', { begin, object: { fields: file.nodes } }]]) } },
    finish: () => {
      const [md5, sha256] = [toText(file.get('md5')), toText(file.get('sha256'))]
      if (md5 !== '' || sha256 !== '') sink.onTarget?.({ md5, sha256 })
    },
  }
}

/** `signatures`. */
export function signaturesNode(sink: ReportSink): Node {
  const fields = new Fields(['name', 'description', 'severity'])
  let begun = false
  const signature: ObjectNode = {
    fields: fields.nodes,
    open: () => fields.clear(),
    close: () =>
      sink.onSignature?.({
        name: toText(fields.get('name')),
        description: toText(fields.get('description')),
        severity: toText(fields.get('severity')),
      }),
  }
  return {
    begin: () => {
      if (begun) sink.reset('signatures')
      begun = true
    },
    array: { item: { object: signature } },
  }
}

/** `behavior`. */
export function behaviorNode(sink: ReportSink, processes: ProcessReader): Node {
  const files = new UniqueValues(
    value => sink.onFile?.(value),
    () => sink.reset('files'),
  )
  const keys = new UniqueValues(
    value => sink.onKey?.(value),
    () => sink.reset('keys'),
  )
  const mutexes = new UniqueValues(
    value => sink.onMutex?.(value),
    () => sink.reset('mutexes'),
  )
  const clearSummary = (): void => {
    for (const values of [files, keys, mutexes]) values.clear()
  }
  const fields = new Map([
    ...listNodes(FILE_LISTS, files),
    ...listNodes(KEY_LISTS, keys),
    ...listNodes(MUTEX_LISTS, mutexes),
  ])
  let begun = false
  return {
    begin: () => {
      if (begun) {
        processes.begin()
        clearSummary()
      }
      begun = true
    },
    object: {
      fields: new Map<string, Node>([
        ['processes', processes.node],
        ['summary', { begin: clearSummary, object: { fields } }],
      ]),
    },
  }
}

function listNodes(names: readonly string[], values: UniqueValues): [string, Node][] {
  return names.map((name, list) => {
    const value: Node = {
      scalar: scalar => {
        if (scalar !== null) values.add(list, toText(scalar))
      },
    }
    return [name, { begin: () => values.begin(list), array: { item: { ...value, array: { item: value } } } }]
  })
}
