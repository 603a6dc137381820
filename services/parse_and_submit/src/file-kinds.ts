// What a file of an analysis becomes in CRITs: an object, and a row.
import type { ResultRow, SampleFile } from '@cuckoo-distributed/crits-client'
import type { Analysis } from './analysis.js'
import type { StoredFiles } from './stored-files.js'
import { type Uploaded, uploadPcap, uploadSample, uploadScreenshot } from './upload.js'

export type NamedFile = Pick<SampleFile, 'name' | 'md5'>

export interface FileKind {
  /** For CRITs' log. */
  readonly word: string
  readonly plural: string
  /** Each file becomes one object of a type only. */
  readonly becomes: 'sample' | 'pcap' | 'screenshot'
  upload(analysis: Analysis, file: SampleFile): Promise<Uploaded>
  /** The row for a name of a file that CRITs has. */
  row?(file: NamedFile): ResultRow
}

export const DROPPED: FileKind = {
  word: 'dropped file',
  plural: 'dropped files',
  becomes: 'sample',
  upload: uploadSample,
  row: ({ name, md5 }) => ({ subtype: 'file_added', result: name, fields: { md5 } }),
}

/** What was unpacked or injected, or the memory of a process. Its name is its SHA-256; what it is, the report says. */
export function payloadKind(kind: 'payload' | 'procdump', stored: StoredFiles | undefined): FileKind {
  return {
    word: kind === 'payload' ? 'payload' : 'process dump',
    plural: kind === 'payload' ? 'payloads' : 'process dumps',
    becomes: 'sample',
    upload: uploadSample,
    row: ({ name, md5 }) => {
      const { type = '', process = '', pid = '' } = stored?.of(kind, name) ?? {}
      return { subtype: 'payload_added', result: name, fields: { md5, type, process, pid } }
    },
  }
}

export const CAPTURE: FileKind = {
  word: 'capture',
  plural: 'captures',
  becomes: 'pcap',
  upload: uploadPcap,
  // As crits/crits_services:cuckoo_service/__init__.py writes it.
  row: ({ md5 }) => ({ subtype: 'pcap_added', result: md5, fields: { md5 } }),
}

export const SCREENSHOT: FileKind = {
  word: 'screenshot',
  plural: 'screenshots',
  becomes: 'screenshot',
  upload: uploadScreenshot,
}
