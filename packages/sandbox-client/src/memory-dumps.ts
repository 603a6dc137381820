/** Paths of what a Cuckoo keeps of a task besides its reports. */
import type { HttpResponse } from '@cuckoo-distributed/http'
import { record } from './answers.js'
import { UnexpectedAnswerError } from './errors.js'
import type { Artifact, MemoryDump } from './sandbox.js'

const LIST_LIMIT = 2 ** 20
/** Pid, dash, number; a name goes into an archive. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

/** Undefined: there is no such thing. */
type Get = (path: string, signal: AbortSignal) => Promise<HttpResponse | undefined>

export function artifactPath(id: number, artifact: Artifact): string {
  if (artifact === 'pcap') return `/pcap/get/${id}`
  return artifact === 'screenshots' ? `/tasks/screenshots/${id}` : `/tasks/report/${id}/${artifact}`
}

/** As `SandboxClient.memoryDumps` (`cuckoosandbox/cuckoo:cuckoo/apps/api.py`, `memorydumps_list`, since 2.0; 1.x answers 404). */
export async function memoryDumps(
  get: Get,
  { id, baseUrl }: { readonly id: number; readonly baseUrl: string },
  signal: AbortSignal,
): Promise<'none' | readonly MemoryDump[]> {
  const path = `/memory/list/${id}`
  const response = await get(path, signal)
  if (response === undefined) return 'none'
  const { dump_files: names } = record(await response.json(LIST_LIMIT))
  if (!Array.isArray(names)) throw new UnexpectedAnswerError(`${baseUrl}${path}`, 'dump_files', 'a list')
  const known = new Set(names.filter(name => typeof name === 'string' && NAME.test(name)))
  return [...known].map(name => ({ name, open: inner => openDump(get, `/memory/get/${id}/${name}`, baseUrl, inner) }))
}

/** The list names other files of that folder as well, which are 404. */
async function openDump(get: Get, path: string, baseUrl: string, signal: AbortSignal) {
  const response = await get(path, signal)
  if (response === undefined) return undefined
  const { contentLength: size } = response
  if (size !== undefined) return { size, stream: (limit: number) => response.stream(limit) }
  response.discard()
  throw new UnexpectedAnswerError(`${baseUrl}${path}`, 'Content-Length', 'there')
}
