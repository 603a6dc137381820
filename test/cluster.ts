// distributed_cuckoo as a process, with nodes registered.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type ServiceProcess, spawnService } from '@cuckoo-distributed/testing'

export interface Cluster {
  readonly url: string
  readonly folder: string
  readonly process: ServiceProcess
}

/**
 * distributed_cuckoo in front of these nodes, `node0` and so on. `config`: keys in place of the usual ones; `program`: its
 * file in place of the built one, with an environment of its own.
 */
export async function startCluster(
  t: TestContext,
  nodes: readonly { readonly url: string }[],
  config: object = {},
  { program = 'distributed_cuckoo', env = {} }: { program?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<Cluster> {
  const folder = await mkdtemp(join(tmpdir(), 'cluster-'))
  t.after(() => rm(folder, { recursive: true, maxRetries: 10 }))
  const usual = {
    Host: '127.0.0.1',
    Port: 0,
    Database: `sqlite:///${join(folder, 'dist.db')}`,
    SamplesDirectory: join(folder, 'samples'),
    ReportsDirectory: join(folder, 'reports'),
    ReportFormats: ['json'],
    Interval: 0.2,
    NodeTimeout: 2,
  }
  const process = await spawnService(t, program, { config: { ...usual, ...config }, env })
  const { port } = await process.waitForLog('listening')
  const url = `http://127.0.0.1:${port}`
  for (const [i, node] of nodes.entries()) {
    const body = new URLSearchParams({ name: `node${i}`, url: node.url })
    const answer = await fetch(`${url}/node`, { method: 'POST', body })
    assert.equal(answer.status, 200, await answer.text())
  }
  return { url, folder, process }
}
