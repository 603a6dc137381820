/** A CAPE with a client of it, and samples. */
import type { TestContext } from 'node:test'
import { type CapeOptions, type CapeStandIn, startCape, waitFor } from '@cuckoo-distributed/testing'
import { CapeClient, type CapeClientOptions, type NewTask } from '../src/index.js'

export const signal: AbortSignal = new AbortController().signal
export const KEY = 'key-of-the-feeder'

export interface CapeScene {
  readonly cape: CapeStandIn
  readonly client: CapeClient
  readonly notices: string[]
}

export async function capeScene(
  t: TestContext,
  options: CapeOptions = {},
  clientOptions: Partial<CapeClientOptions> = {},
): Promise<CapeScene> {
  const cape = await startCape({ analysisTime: 1, ...options })
  const notices: string[] = []
  const client = new CapeClient({
    baseUrl: new URL(cape.url),
    verifySsl: true,
    maxConnections: 1,
    onNotice: text => notices.push(text),
    ...clientOptions,
  })
  t.after(async () => {
    await client[Symbol.asyncDispose]()
    await cape.close()
  })
  return { cape, client, notices }
}

export function sample(name: string, options: Record<string, string> = {}, content = `MZ ${name}`): NewTask {
  const bytes = Buffer.from(content)
  return {
    name,
    size: bytes.length,
    options,
    async *open() {
      yield bytes
    },
  }
}

export async function reported({ cape }: CapeScene, id: number): Promise<void> {
  await waitFor(() => cape.tasks.get(id)?.status === 'reported', { describe: `task ${id} to be reported` })
}

/** The paths that were asked for. */
export function paths({ cape }: CapeScene): string[] {
  return cape.journal.map(({ path }) => path.replace('/apiv2', ''))
}
