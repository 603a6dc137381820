/** What is older, or more, than is to be kept is removed, and nothing else. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { type TestContext, test } from 'node:test'
import { type Logger, ServiceError } from '@cuckoo-distributed/core'
import { waitFor } from '@cuckoo-distributed/testing'
import type { DistributedConfig } from '../src/config.js'
import { keepWithin, type RetentionOptions } from '../src/dispatch/retention.js'
import { Janitor } from '../src/files/janitor.js'
import { log, makeScene, type Scene } from './dispatch-scene.js'
import { must } from './store-scene.js'

const DAY_MS = 86_400_000

/** A finished task of so many days ago, with a report of so many bytes; `open`: its node may have more of it yet. */
async function finished(scene: Scene, days: number, size: number, { open = false } = {}): Promise<number> {
  const { store, files } = scene
  const at = store.now() - days * DAY_MS
  const id = await scene.addTask('MZ')
  const [node] = await store.nodes.list()
  assert(node)
  const submission = must(await store.dispatch.begin(id, node.id, at))
  await store.dispatch.accepted(submission.id, id, at)
  await store.dispatch.beginFetch(submission.id)
  await mkdir(files.reportDirectory(id), { recursive: true })
  await writeFile(files.reportPath(id, 'json'), Buffer.alloc(size))
  const reports = [{ format: 'json', size, reason: null, retry: false }]
  const missing = open ? [{ format: 'html', size: null, reason: 'HTTP 500', retry: true }] : []
  await store.dispatch.finish(submission.id, [...reports, ...missing], at)
  // The node's copy is deleted then.
  if (!open) await store.dispatch.discarded([submission.id])
  return id
}

async function failed(scene: Scene, days: number): Promise<number> {
  const id = await scene.addTask('MZ')
  await scene.store.dispatch.fail(id, 'it broke', scene.store.now() - days * DAY_MS)
  return id
}

async function sceneWith(t: TestContext, config: Partial<DistributedConfig>) {
  const scene = await makeScene(t, { Interval: 0.05, ...config })
  await scene.addNode('n1', 'http://127.0.0.1:1/')
  const stopped = new AbortController()
  t.after(() => stopped.abort())
  let looks = 0
  let told = 0
  const keep = (look = () => undefined) => {
    const now = () => {
      looks += 1
      return scene.store.now()
    }
    const heard: Logger = Object.assign(Object.create(log), {
      info: ({ tasks }: { tasks: number }) => {
        told += tasks
      },
    })
    const options = { store: { ...scene.store, now }, config: scene.config, leadership: { look }, log: heard }
    keepWithin(options, stopped.signal).catch(() => undefined)
  }
  const ids = async () => (await scene.store.tasks.list({})).map(({ id }) => id)
  /** Those are left, and stay when all are looked at once more; the log says how many are gone since the start. */
  const becomes = async (expected: readonly number[], gone: number) => {
    await waitFor(async () => (await ids()).join() === expected.join(), { describe: `only ${expected} to be left` })
    const before = looks
    await waitFor(() => looks >= before + 2, { describe: 'another look' })
    assert.deepEqual([await ids(), told], [expected, gone])
  }
  return { scene, keep, ids, becomes }
}

test('finished tasks go by their age, with their reports; failed ones, and what waits, stay', async t => {
  const { scene, keep, becomes } = await sceneWith(t, { KeepReports: 7 })
  const old = await finished(scene, 8, 10)
  const kept = [await finished(scene, 6, 10), await failed(scene, 8), await finished(scene, 8, 10, { open: true })]
  const waiting = await scene.addTask('MZ')
  keep()
  await becomes([...kept, waiting], 1)
  const { store, files } = scene
  await new Janitor({ store, files, log }).removeObsolete()
  assert(!existsSync(files.reportDirectory(old)))
  for (const id of kept.filter((_id, index) => index !== 1)) assert(existsSync(files.reportPath(id, 'json')))
})

test('nothing is looked for when everything is to be kept', async () => {
  const config = { KeepReports: 0, KeepReportsBytes: 0, KeepFailed: 0, Interval: 1 }
  const nobody: Pick<RetentionOptions, 'store' | 'leadership'> = Object.create(null)
  await keepWithin({ ...nobody, config, log }, AbortSignal.timeout(60_000))
})

test('failed tasks go by their age', async t => {
  const { scene, keep, becomes } = await sceneWith(t, { KeepFailed: 0.5 })
  await failed(scene, 1)
  const kept = [await finished(scene, 100, 10), await failed(scene, 0.1)]
  keep()
  await becomes(kept, 1)
})

test('of too many bytes the oldest go first, and no more than must; what may get more of its node stays', async t => {
  const { scene, keep, becomes } = await sceneWith(t, { KeepReportsBytes: 250 })
  await finished(scene, 3, 100)
  const open = await finished(scene, 9, 100, { open: true })
  const young = await finished(scene, 1, 100)
  await finished(scene, 2, 60)
  keep()
  await becomes([open, young], 2)
  const next = await finished(scene, 0, 50)
  await becomes([open, young, next], 2)
  const newest = await finished(scene, 0, 50)
  await becomes([open, next, newest], 3)
})

test('more than a page of tasks that stay keeps none that is to go', async t => {
  const { scene, keep, becomes } = await sceneWith(t, { KeepReports: 7 })
  const kept: number[] = []
  for (let i = 0; i < 101; i += 1) kept.push(await finished(scene, 9, 1, { open: true }))
  await finished(scene, 8, 1)
  keep()
  await becomes(kept, 1)
})

test('a server that does not lead any more removes nothing', async t => {
  const { scene, keep, ids } = await sceneWith(t, { KeepReports: 7, KeepFailed: 7 })
  const old = [await finished(scene, 8, 10), await failed(scene, 8)]
  let looks = 0
  keep(() => {
    looks += 1
    throw new ServiceError('LEADERSHIP_LOST', 'over')
  })
  await waitFor(() => looks > 0, { describe: 'a look' })
  assert.deepEqual(await ids(), old)
})
