// The wanted parts of a report, as a schema for the reader.
import type { Node, ObjectNode } from '@cuckoo-distributed/json-scanner'
import { behaviorNode } from './behavior.js'
import { configsNode } from './configs.js'
import { detectionsNode, Techniques } from './detections.js'
import { Fields } from './fields.js'
import { networkNode } from './network.js'
import { toMachine, toText, toTime } from './normalise.js'
import type { ProcessReader } from './processes.js'
import type { ReportSink } from './sink.js'
import { storedFilesNode } from './stored-files.js'
import type { Unread } from './unread.js'

/** Sections that tell a report from another JSON object; which of them there are depends on the sandbox and its modules. */
const KNOWN = [
  ...['info', 'target', 'signatures', 'behavior', 'network', 'static', 'dropped', 'strings', 'debug'],
  ...['CAPE', 'procdump', 'statistics', 'ttps', 'malscore'],
]

/**
 * Parts that are wanted besides what is always read: `detections` are families, techniques and the techniques of signatures; `files` is what the
 * report says about stored files.
 */
export type WantedSections = Readonly<
  Partial<Record<'signatures' | 'behavior' | 'network' | 'configs' | 'detections' | 'files', boolean>>
>

export interface Reading {
  readonly sink: ReportSink
  readonly unread: Unread
  readonly processes: ProcessReader
  /** Called with the name of each known section that is there. */
  readonly onSection: (name: string) => void
}

/** The whole report. */
export function reportSchema(wanted: WantedSections, { sink, unread, processes, onSection }: Reading): ObjectNode {
  const techniques = new Techniques(sink, unread)
  const info = new Fields(['id', 'started', 'ended', 'machine', 'package', 'score'])
  const verdict = new Fields(['malscore', 'malstatus'])
  const fields = new Map<string, Node>([
    ...KNOWN.map(name => [name, {}] as const),
    ...verdict.nodes,
    ['info', infoNode(info, sink)],
    ['target', targetNode(sink)],
    ['debug', debugNode(sink)],
    ['CAPE', capeNode(wanted, sink, unread)],
  ])
  if (wanted.signatures || wanted.detections) fields.set('signatures', signaturesNode(wanted, sink, techniques))
  if (wanted.behavior) fields.set('behavior', behaviorNode(sink, processes, unread))
  if (wanted.network) fields.set('network', networkNode(sink))
  if (wanted.detections) fields.set('detections', detectionsNode(sink, unread)).set('ttps', techniques.node)
  if (wanted.files) {
    fields.set('dropped', storedFilesNode('dropped', sink)).set('procdump', storedFilesNode('procdump', sink))
  }
  for (const name of KNOWN) fields.set(name, { ...fields.get(name), begin: () => onSection(name) })
  const close = (): void => {
    const [score, status] = [verdict.text('malscore') || info.text('score'), verdict.text('malstatus')]
    if (score !== '' || status !== '') sink.onVerdict?.({ score, status })
  }
  return { fields, close }
}

function infoNode(info: Fields<'id' | 'started' | 'ended' | 'machine' | 'package' | 'score'>, sink: ReportSink): Node {
  const machine = new Fields(['name', 'label'])
  const parent = new Fields(['md5', 'sha256'])
  const machineNode: Node = { ...info.nodes.get('machine'), object: { fields: machine.nodes } }
  const parentNode: Node = { object: { fields: parent.nodes } }
  const close = (): void => {
    const [md5, sha256] = [parent.text('md5'), parent.text('sha256')]
    sink.onInfo?.({
      id: info.text('id'),
      started: toTime(info.get('started'), false),
      ended: toTime(info.get('ended'), false),
      machine: toMachine(info.get('machine'), machine.get('name'), machine.get('label')),
      package: info.text('package'),
      parent: md5 !== '' || sha256 !== '' ? { md5, sha256 } : undefined,
    })
  }
  const fields = new Map(info.nodes).set('machine', machineNode).set('parent_sample', parentNode)
  return { object: { fields, close } }
}

function targetNode(sink: ReportSink): Node {
  const file = new Fields(['md5', 'sha256'])
  const close = (): void => {
    const [md5, sha256] = [file.text('md5'), file.text('sha256')]
    if (md5 !== '' || sha256 !== '') sink.onTarget?.({ md5, sha256 })
  }
  return { object: { fields: new Map([['file', { object: { fields: file.nodes, close } }]]) } }
}

function debugNode(sink: ReportSink): Node {
  const scalar = (value: unknown): void => {
    const text = toText(value).trim()
    if (text !== '') sink.onError?.(text)
  }
  return { object: { fields: new Map([['errors', { array: { item: { scalar } } }]]) } }
}

function capeNode(wanted: WantedSections, sink: ReportSink, unread: Unread): Node {
  const fields = new Map<string, Node>()
  if (wanted.configs) fields.set('configs', configsNode(sink, unread))
  if (wanted.files) fields.set('payloads', storedFilesNode('payload', sink))
  return { object: { fields } }
}

function signaturesNode(wanted: WantedSections, sink: ReportSink, techniques: Techniques): Node {
  const fields = new Fields(['name', 'description', 'severity'])
  const several = techniques.several()
  const open = (): void => {
    fields.clear()
    several.clear()
  }
  const close = (): void => {
    const [name, description, severity] = [fields.text('name'), fields.text('description'), fields.text('severity')]
    if (wanted.signatures) sink.onSignature?.({ name, description, severity })
    several.emit(name)
  }
  const nodes = new Map(fields.nodes)
  if (wanted.detections) nodes.set('ttp', several.node)
  return { array: { item: { object: { fields: nodes, open, close } } } }
}
