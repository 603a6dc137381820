/** Servers, nodes and samples for the tests of the API. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type FakeNode, startFakeNode } from './fake-node.js'
import { type Front, makeFront } from './front.js'

/** Makes an empty database for one test; undefined = the default of the harness. */
export type MakeUrl = () => Promise<string | undefined>

/** Starts a server of its own for one test. */
export type Serve = (t: TestContext, given?: Readonly<Record<string, unknown>>) => Promise<Front>

export function serveWith(makeUrl: MakeUrl): Serve {
  return async (t, given = {}) => {
    const url = await makeUrl()
    const front = await makeFront(t, { ...(url !== undefined && { Database: url }), ...given })
    await front.start()
    return front
  }
}

export async function fakeNode(t: TestContext): Promise<FakeNode> {
  const node = await startFakeNode()
  t.after(() => node.close())
  return node
}

export async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'contract-'))
  t.after(() => rm(folder, { recursive: true, maxRetries: 10 }))
  return folder
}

export async function sampleFile(t: TestContext, name: string, content = 'MZ sample'): Promise<string> {
  const path = join(await folderOf(t), name)
  await writeFile(path, content)
  return path
}

export async function samplesIn(folder: string): Promise<string[]> {
  const entries = await readdir(join(folder, 'samples'), { recursive: true, withFileTypes: true })
  return entries.filter(entry => entry.isFile() && entry.name.endsWith('.bin')).map(entry => entry.name)
}
