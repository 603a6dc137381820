// The wanted parts of a report, as a schema for the reader.
import type { Node, ObjectNode } from '@cuckoo-distributed/json-scanner'
import { Fields } from './fields.js'
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

/** Sections that tell a report from another JSON object; which of them there are depends on the sandbox and its modules. */
const KNOWN = ['info', 'target', 'signatures', 'behavior', 'network', 'static', 'dropped', 'strings', 'debug', 'CAPE']

/** Sections whose contents are wanted. */
export interface WantedSections {
  readonly info: boolean
  readonly signatures: boolean
  readonly behavior: boolean
}

/** The whole report. `onSection` is called with the name of each known section that is there. */
export function reportSchema(
  wanted: WantedSections,
  sink: ReportSink,
  processes: ProcessReader,
  onSection: (name: string) => void,
): ObjectNode {
  const contents: Record<string, Node> = {
    target: targetNode(sink),
    ...(wanted.info && { info: infoNode(sink) }),
    ...(wanted.signatures && { signatures: signaturesNode(sink) }),
    ...(wanted.behavior && { behavior: behaviorNode(sink, processes) }),
  }
  return { fields: new Map(KNOWN.map(name => [name, { ...contents[name], begin: () => onSection(name) }])) }
}

function infoNode(sink: ReportSink): Node {
  const info = new Fields(['id', 'started', 'ended', 'machine'])
  const machine = new Fields(['name', 'label'])
  const machineNode: Node = { ...info.nodes.get('machine'), object: { fields: machine.nodes } }
  const close = (): void =>
    sink.onInfo?.({
      id: toText(info.get('id')),
      started: toTime(info.get('started'), false),
      ended: toTime(info.get('ended'), false),
      machine: toMachine(info.get('machine'), machine.get('name'), machine.get('label')),
    })
  return { object: { fields: new Map(info.nodes).set('machine', machineNode), close } }
}

function targetNode(sink: ReportSink): Node {
  const file = new Fields(['md5', 'sha256'])
  const close = (): void => {
    const [md5, sha256] = [toText(file.get('md5')), toText(file.get('sha256'))]
    if (md5 !== '' || sha256 !== '') sink.onTarget?.({ md5, sha256 })
  }
  return { object: { fields: new Map([['file', { object: { fields: file.nodes, close } }]]) } }
}

function signaturesNode(sink: ReportSink): Node {
  const fields = new Fields(['name', 'description', 'severity'])
  const close = (): void =>
    sink.onSignature?.({
      name: toText(fields.get('name')),
      description: toText(fields.get('description')),
      severity: toText(fields.get('severity')),
    })
  return { array: { item: { object: { fields: fields.nodes, open: () => fields.clear(), close } } } }
}

function behaviorNode(sink: ReportSink, processes: ProcessReader): Node {
  const lists = new Map([
    ...listNodes(FILE_LISTS, value => sink.onFile?.(value)),
    ...listNodes(KEY_LISTS, value => sink.onKey?.(value)),
    ...listNodes(MUTEX_LISTS, value => sink.onMutex?.(value)),
  ])
  const fields = new Map<string, Node>([
    ['processes', processes.node],
    ['summary', { object: { fields: lists } }],
  ])
  return { object: { fields } }
}

/** Lists with these names, whose values go to `emit`, each once. */
function listNodes(names: readonly string[], emit: (value: string) => void): [string, Node][] {
  const values = new UniqueValues(emit)
  const value: Node = {
    scalar: scalar => {
      if (scalar !== null) values.add(toText(scalar))
    },
  }
  return names.map(name => [name, { array: { item: { ...value, array: { item: value } } } }])
}
