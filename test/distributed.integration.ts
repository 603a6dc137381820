// The pipeline with a cluster behind one URL: feed_cuckoo, check_results and parse_and_submit know nothing of its nodes.
import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { waitFor } from '@cuckoo-distributed/testing'
import { startCluster } from './cluster.js'
import { assertCleanEnd, assertResults } from './expectations.js'
import { type Emitted, startScene } from './scene.js'

const SAMPLES = 30

test('three nodes behind one URL, one of which dies in the middle: every sample arrives once', async t => {
  const scene = await startScene(t)
  const nodes = [await scene.startCuckoo(), await scene.startCuckoo({ version: '1.3' }), await scene.startCuckoo()]
  const [dying, ...staying] = nodes
  assert.ok(dying)
  const cluster = await startCluster(t, nodes)
  const services = await scene.startAll({
    feed_cuckoo: { CuckooURL: cluster.url, MaxPending: 1000, CheckFreeSpace: true, MinFreeSpace: 1 },
  })
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
