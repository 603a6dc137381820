/** The format `memory`: what a node kept of the memory of processes, as one archive. */
import type { MemoryDump, SandboxClient } from '@cuckoo-distributed/sandbox-client'
import { type Packed, packed } from '../files/dump-archive.js'
import type { Body } from '../files/report-file.js'

/** From a CAPE its ZIP as it is, from a Cuckoo a tar of `<name>.dmp`, one asked for after the other. Undefined: there are none. */
export async function memoryOf(client: SandboxClient, id: number, signal: AbortSignal): Promise<Body | undefined> {
  const found = await client.memoryDumps(id, signal)
  if (found === undefined || found === 'none') return undefined
  return 'stream' in found ? found : { stream: limit => packed(dumpsOf(found, limit, signal)), discard: () => {} }
}

async function* dumpsOf(
  dumps: readonly MemoryDump[],
  limit: number,
  signal: AbortSignal,
): AsyncGenerator<Packed, void, undefined> {
  let left = limit
  for (const { name, open } of dumps) {
    const dump = await open(signal)
    if (dump === undefined) continue
    yield { name: `${name}.dmp`, size: dump.size, chunks: dump.stream(left) }
    left -= dump.size
  }
}
