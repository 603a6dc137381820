// The pipeline with a cluster behind one URL: feed_cuckoo, check_results and parse_and_submit know nothing of its nodes.
import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type CuckooStandIn, type ServiceProcess, spawnService, waitFor } from '@cuckoo-distributed/testing'
import { assertCleanEnd, assertResults } from './expectations.js'
import { type Emitted, startScene } from './scene.js'

const SAMPLES = 30

interface Cluster {
  readonly url: string
  readonly folder: string
  readonly process: ServiceProcess
}

/** distributed_cuckoo in front of these nodes. */
async function startCluster(t: TestContext, nodes: readonly CuckooStandIn[]): Promise<Cluster> {
  const folder = await mkdtemp(join(tmpdir(), 'cluster-'))
  t.after(() => rm(folder, { recursive: true, maxRetries: 10 }))
  const args = ['--db', `sqlite:///${join(folder, 'dist.db')}`, '--report-formats', 'json']
  for (const kind of ['samples', 'reports']) args.push(`--${kind}-directory`, join(folder, kind))
  args.push('--interval', '0.2', '--node-timeout', '2', '127.0.0.1', '0')
  const process = await spawnService(t, 'distributed_cuckoo', { args })
  const { port } = await process.waitForLog('listening')
  const url = `http://127.0.0.1:${port}`
  for (const [i, node] of nodes.entries()) {
    const body = new URLSearchParams({ name: `node${i}`, url: node.url })
    const answer = await fetch(`${url}/node`, { method: 'POST', body })
    assert.equal(answer.status, 200, await answer.text())
  }
  return { url, folder, process }
}

test('three nodes behind one URL, one of which dies in the middle: every sample arrives once', async t => {
  const scene = await startScene(t)
  const nodes = [await scene.startCuckoo(), await scene.startCuckoo({ version: '1.3' }), await scene.startCuckoo()]
  const [dying, ...staying] = nodes
  assert.ok(dying)
  const cluster = await startCluster(t, nodes)
  const services = await Promise.all([
    scene.start('feed_cuckoo', { CuckooURL: cluster.url, MaxPending: 1000, CheckFreeSpace: true, MinFreeSpace: 1 }),
    scene.start('check_results'),
    scene.start('parse_and_submit'),
    scene.start('overseer'),
  ])
  const samples: Emitted[] = []
  for (let i = 0; i < SAMPLES; i += 1) {
    samples.push(await scene.emit({ name: `sample-${i}.exe`, bytes: Buffer.from(`MZ\x90 clustered sample ${i}`) }))
  }
  await waitFor(() => dying.submissions.length >= 3, { describe: 'the node that will die to have work' })
  const undelivered = dying.tasks.size
  await dying.down()
  await scene.allAre('completed', samples)
  for (const sample of samples) assertResults(scene, sample)
  for (const { submissions } of nodes) assert.ok(submissions.length > 0, 'every node had work')
  const analyses = nodes.reduce((sum, { submissions }) => sum + submissions.length, 0)
  assert.ok(analyses <= SAMPLES + undelivered + 1, `${analyses} analyses, ${undelivered} were on the node that died`)
  await assertCleanEnd(scene, services, ...staying)
  // CuckooCleanup has deleted every task: nothing of it is left here either.
  assert.deepEqual(await (await fetch(`${cluster.url}/task`)).json(), { tasks: {} })
  const left = (await readdir(join(cluster.folder, 'reports'))).filter(name => !name.startsWith('.'))
  assert.deepEqual(left, [])
  assert.deepEqual(await cluster.process.stop(), { code: 0, signal: null })
})
