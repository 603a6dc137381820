/** What a task has besides report and dropped files: the capture of its traffic, pictures of the screen. */
import { type ZipEntry, zip } from '../archive/zip.js'
import { type Answer, apiError, success } from './answer.js'
import { type Body, memoryBody } from './body.js'
import type { Flavour } from './flavour.js'

export interface CuckooArtifacts {
  /** Default: there is none. */
  readonly pcap?: Buffer
  /** Default: none. In the order of the folder, which is none; Cuckoo 2.0 puts small copies there, `0001_small.jpg`. */
  readonly screenshots?: readonly ZipEntry[]
  /** Dumps of processes by `<pid>-<number>`; what else is in that folder is listed and not given. Default: none. */
  readonly memory?: Readonly<Record<string, Buffer | 'another file'>>
  /** Formats of the report that no Cuckoo has, but a distributed_cuckoo. */
  readonly formats?: Readonly<Record<string, Buffer>>
}

/** The folder of an analysis, and how the server answers. */
interface Asked {
  readonly storage: { readonly artifacts: CuckooArtifacts } | undefined
  readonly flavour: Flavour
  readonly url: string
}

/** The route never looks at the database. */
export function capture({ storage, flavour, url }: Asked): Answer {
  const pcap = storage?.artifacts.pcap
  if (!pcap) return apiError(flavour, 404, 'File not found', url)
  return success('application/octet-stream; charset=UTF-8', memoryBody(pcap))
}

/** A ZIP, not compressed; empty for a task without pictures. */
export function screenshots({ storage, flavour, url }: Asked, id: string): Answer {
  if (!storage) {
    const missing = flavour.framework === 'flask' ? 'Task not found' : `/opt/cuckoo/storage/analyses/${id}/shots`
    return apiError(flavour, 404, missing, url)
  }
  return success('application/zip', memoryBody(zip(storage.artifacts.screenshots ?? [], { stored: true })))
}

/** Only 2.0 has it, and it knows no `/v1`. */
export function memoryList({ storage, flavour, url }: Asked): Answer {
  const names = Object.keys(storage?.artifacts.memory ?? {})
  if (flavour.framework !== 'flask' || names.length === 0) return apiError(flavour, 404, 'Memory dump not found', url)
  return success('application/json', memoryBody(Buffer.from(JSON.stringify({ dump_files: names }))))
}

export function memoryGet({ storage, flavour, url }: Asked, name: string): Answer {
  const dump = storage?.artifacts.memory?.[name]
  if (flavour.framework !== 'flask' || !Buffer.isBuffer(dump)) {
    return apiError(flavour, 404, 'Memory dump not found', url)
  }
  return success('application/octet-stream; charset=UTF-8', memoryBody(dump))
}

/** The report of a format that Cuckoo does not know. */
export function foreignFormat({ storage }: Pick<Asked, 'storage'>, format: string): Body | undefined {
  const bytes = storage?.artifacts.formats?.[format]
  return bytes && memoryBody(bytes)
}
