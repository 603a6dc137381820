/** What a format is called on a node. */
import type { Artifact, SandboxClient } from '@cuckoo-distributed/sandbox-client'
import type { Body } from '../files/report-file.js'
import { memoryOf } from './memory.js'

/** Formats that are no reports to a node. */
const ARTIFACTS: readonly Artifact[] = ['pcap', 'payloads', 'procdump', 'screenshots', 'fullmemory']

/** Resolves with undefined when the node does not have it. */
export async function download(
  client: SandboxClient,
  id: number,
  format: string,
  signal: AbortSignal,
): Promise<Body | undefined> {
  if (format === 'memory') return memoryOf(client, id, signal)
  const answer = await ask(client, id, format, signal)
  return answer === 'none' ? undefined : answer
}

function ask(client: SandboxClient, id: number, format: string, signal: AbortSignal) {
  if (format === 'dropped') return client.dropped(id, {}, signal)
  return isArtifact(format) ? client.artifact(id, format, signal) : client.reportAs(id, format, signal)
}

export function isArtifact(format: string): format is Artifact {
  return ARTIFACTS.some(artifact => artifact === format)
}
