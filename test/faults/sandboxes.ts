// The sandboxes of the matrix: which kind, how one is started, and how a test itself sends it a sample.
import { type CapeStandIn, type CuckooStandIn, startCape, startCuckoo } from '@cuckoo-distributed/testing'

export type SandboxStandIn = CuckooStandIn | CapeStandIn
export type SandboxKind = SandboxStandIn['kind']

/** Of the user that the services are at a CAPE. */
const CAPE_KEY = 'aKeyOfThePipeline'

export interface SandboxTerms {
  readonly machines: number
  /** Milliseconds of each analysis. */
  readonly analysisTime: () => number
  /** Requests that CAPE allows within a second; null: no bound. Default: everybody may ask without a token. */
  readonly rate?: () => number | null
}

export function startSandbox(kind: SandboxKind, { rate, ...terms }: SandboxTerms): Promise<SandboxStandIn> {
  if (kind === 'cuckoo') return startCuckoo(terms)
  const user = rate && {
    name: 'pipeline',
    keys: [CAPE_KEY],
    get rate() {
      return rate()
    },
  }
  return startCape({
    ...terms,
    on: ['cuckoostatus', 'taskdelete', 'machinelist'],
    rateWindow: 1000,
    ...(user && { users: [user] }),
  })
}

/** What the services that ask a sandbox are told about it, the token under this key. */
export function sandboxKeys({ kind, url }: SandboxStandIn, tokens: 'CuckooTokens' | 'NodeTokens'): object {
  return kind === 'cuckoo' ? {} : { [tokens]: { [url]: CAPE_KEY }, RequestsPerMinute: 'staff' }
}

/** Sends a sample as somebody else would; resolves with the id of its task. */
export async function submitTo({ kind, url }: SandboxStandIn, name: string, bytes: Buffer): Promise<number> {
  const form = new FormData()
  form.append('file', new Blob([new Uint8Array(bytes)]), name)
  const path = kind === 'cuckoo' ? '/tasks/create/file' : '/tasks/create/file/'
  const answer = await fetch(url + path, {
    method: 'POST',
    body: form,
    headers: { authorization: `Token ${CAPE_KEY}` },
  })
  const { task_id: id, data } = Object(await answer.json())
  return Number(id ?? Object(data).task_ids?.[0])
}
