// The wanted part of `behavior`: processes, and what its summary lists.
import type { Node } from '@cuckoo-distributed/json-scanner'
import { toText } from './normalise.js'
import { ProcessTree } from './process-tree.js'
import type { ProcessReader } from './processes.js'
import type { ReportSink } from './sink.js'
import { UniqueValues } from './unique-values.js'
import type { Unread } from './unread.js'

// What Cuckoo 1.x and CAPE keep in one list each, Cuckoo 2.0 keeps in one list for each kind of use:
// cuckoosandbox/cuckoo:cuckoo/processing/platform/windows.py. `file_moved` and `file_copied` are lists of [old, new].
const FILE_LISTS = [
  'files',
  ...['file_created', 'file_recreated', 'file_opened', 'file_written', 'file_read', 'file_deleted', 'file_exists'],
  ...['file_failed', 'file_moved', 'file_copied', 'directory_created', 'directory_removed', 'directory_enumerated'],
]
const KEY_LISTS = ['keys', 'regkey_opened', 'regkey_written', 'regkey_read', 'regkey_deleted']
const MUTEX_LISTS = ['mutexes', 'mutex']

export function behaviorNode(sink: ReportSink, processes: ProcessReader, unread: Unread): Node {
  const lists = new Map([
    ...listNodes(FILE_LISTS, value => sink.onFile?.(value)),
    ...listNodes(KEY_LISTS, value => sink.onKey?.(value)),
    ...listNodes(MUTEX_LISTS, value => sink.onMutex?.(value)),
  ])
  const tree = new ProcessTree(unread)
  const fields = new Map<string, Node>([
    ['processes', processes.node],
    ['processtree', tree.node],
    ['summary', { object: { fields: lists } }],
  ])
  const close = (): void => {
    if (!processes.isThere) for (const process of tree.take()) sink.onProcess?.(process)
  }
  return { object: { fields, close } }
}

/** Lists with these names, whose values go to `emit`, each once. */
function listNodes(names: readonly string[], emit: (value: string) => void): [string, Node][] {
  const values = new UniqueValues()
  const value: Node = {
    scalar: scalar => {
      const text = toText(scalar)
      if (scalar !== null && values.add(text)) emit(text)
    },
  }
  return names.map(name => [name, { array: { item: { ...value, array: { item: value } } } }])
}
