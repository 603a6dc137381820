// Files that the sandbox kept beside the report: what it says about those that were dropped, unpacked, injected or dumped.
import type { Node } from '@cuckoo-distributed/json-scanner'
import { Fields } from './fields.js'
import { toText } from './normalise.js'
import type { ReportSink, StoredFile } from './sink.js'

/**
 * A list of files: `dropped`, CAPE's `CAPE.payloads` and `procdump`. CAPE has several names for a dropped file, of which the first counts, and the
 * hash for the name of a payload.
 */
export function storedFilesNode(kind: StoredFile['kind'], sink: ReportSink): Node {
  const fields = new Fields(['md5', 'sha256', 'cape_type', 'process_name', 'pid'])
  let name: string | undefined
  const scalar = (value: unknown): void => {
    name ??= toText(value)
  }
  const open = (): void => {
    fields.clear()
    name = undefined
  }
  const close = (): void =>
    sink.onStoredFile?.({
      kind,
      name: name ?? '',
      md5: fields.text('md5'),
      sha256: fields.text('sha256'),
      type: fields.text('cape_type'),
      process: fields.text('process_name'),
      pid: fields.text('pid'),
    })
  const nameNode: Node = { scalar, array: { item: { scalar } } }
  return { array: { item: { object: { fields: new Map(fields.nodes).set('name', nameNode), open, close } } } }
}
