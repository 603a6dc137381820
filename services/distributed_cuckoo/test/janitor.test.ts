import assert from 'node:assert/strict'
import { existsSync, utimesSync, writeFileSync } from 'node:fs'
import { mkdir, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { createLogger } from '@cuckoo-distributed/core'
import { waitFor } from '@cuckoo-distributed/testing'
import { Janitor } from '../src/files/janitor.js'
import { makeScene, type Scene } from './dispatch-scene.js'
import { NO_OPTIONS } from './store-scene.js'

const log = createLogger('test', { LogFile: '', LogLevel: 'warning' })
const LONG_AGO = new Date(Date.now() - 51 * 60_000)

async function tidy(scene: Scene, until: () => boolean, options: { readonly sweepMs?: number } = {}): Promise<void> {
  const stop = new AbortController()
  const running = new Janitor({ store: scene.store, files: scene.files, log, ...options }).run(stop.signal)
  await waitFor(until, { describe: 'the janitor to be done' })
  stop.abort(new Error('enough'))
  await assert.rejects(running, /enough/)
}

test('a sample without a task goes within the hour; one with a task and anything else stays', async t => {
  const scene = await makeScene(t)
  const id = await scene.addTask('MZ kept')
  const { samplePath } = await scene.reaches(id, 'pending')
  const { samplesDirectory } = scene.files
  const kept = join(samplesDirectory, samplePath ?? '')
  const [orphan, fresh, foreign] = ['aa/orphan.bin', 'aa/fresh.bin', 'notes/read.me'].map(name =>
    join(samplesDirectory, name),
  )
  for (const path of [orphan, fresh, foreign]) {
    assert(path !== undefined)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, 'x')
    if (path !== fresh) await utimes(path, LONG_AGO, LONG_AGO)
  }
  await utimes(kept, LONG_AGO, LONG_AGO)
  await tidy(scene, () => !existsSync(orphan ?? ''))
  for (const path of [kept, fresh, foreign]) assert(existsSync(path ?? ''), path)
})

test('files of a deleted task that a crash has left behind go at the next start', async t => {
  const scene = await makeScene(t)
  const id = await scene.addTask('MZ')
  const { samplePath } = await scene.reaches(id, 'pending')
  const folder = scene.files.reportDirectory(id)
  await mkdir(folder)
  await writeFile(join(folder, 'report.json'), '{}')
  await scene.store.tasks.remove(id)
  await tidy(scene, () => !existsSync(folder) && !existsSync(scene.files.samplePath(samplePath ?? '')))
  await waitFor(async () => (await scene.store.files.obsolete(9)).length === 0, { describe: 'the list to be empty' })
})

test('a sample whose task was lost long after the start goes at the next sweep', async t => {
  const scene = await makeScene(t)
  const orphan = join(scene.files.samplesDirectory, 'aa', 'orphan.bin')
  const first = join(scene.files.samplesDirectory, 'bb', 'first.bin')
  for (const path of [orphan, first]) await mkdir(dirname(path), { recursive: true })
  await writeFile(first, 'x')
  await utimes(first, LONG_AGO, LONG_AGO)
  let swept = false
  await tidy(
    scene,
    () => {
      if (existsSync(first)) return false
      if (!swept) {
        writeFileSync(orphan, 'x')
        utimesSync(orphan, LONG_AGO, LONG_AGO)
      }
      swept = true
      return !existsSync(orphan)
    },
    { sweepMs: 1 },
  )
})

test('a file that vanishes during a sweep, or cannot be looked at, keeps none of the others', async t => {
  const scene = await makeScene(t)
  const orphan = join(scene.files.samplesDirectory, 'bb', 'orphan.bin')
  for (const shard of ['aa', 'bb']) await mkdir(join(scene.files.samplesDirectory, shard))
  // Listed, and not there when it is looked at; and one of which every look is an error.
  await symlink('nowhere', join(scene.files.samplesDirectory, 'aa', 'gone.bin'))
  await symlink('loop.bin', join(scene.files.samplesDirectory, 'aa', 'loop.bin'))
  await writeFile(orphan, 'x')
  await utimes(orphan, LONG_AGO, LONG_AGO)
  await tidy(scene, () => !existsSync(orphan))
})

test('files that cannot be removed hide no others, and are tried again', async t => {
  const scene = await makeScene(t)
  const blocker = join(scene.files.samplesDirectory, '!blocked')
  await writeFile(blocker, 'a file where a directory should be')
  const [sample] = await scene.addTasks(1)
  const { samplePath } = await scene.reaches(sample ?? 0, 'pending')
  for (let i = 0; i < 250; i += 1) {
    const path = `!blocked/${String(i).padStart(3, '0')}.bin`
    const stuck = await scene.store.tasks.create(
      { ...NO_OPTIONS, sample: { path, size: 1, md5: '', sha256: '' }, filename: 'x' },
      Date.now(),
    )
    await scene.store.tasks.remove(stuck)
  }
  await scene.store.tasks.remove(sample ?? 0)
  const file = scene.files.samplePath(samplePath ?? '')
  await tidy(scene, () => !existsSync(file))
  await new Janitor({ ...scene, log }).removeObsolete()
  await waitFor(async () => (await scene.store.files.obsolete(999)).length === 250, {
    describe: 'only those to be left',
  })
  await rm(blocker)
  let left = 1
  await tidy(scene, () => {
    void scene.store.files.obsolete(1).then(files => {
      left = files.length
    })
    return left === 0
  })
})
