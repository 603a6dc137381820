/** What is on disk before something else happens, and what an end in the middle leaves behind: nothing. */
import assert from 'node:assert/strict'
import { readdirSync, readlinkSync } from 'node:fs'
import { mkdir, open, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { describe, test } from 'node:test'
import { createLogger } from '@cuckoo-distributed/core'
import { spyOnFiles, waitFor } from '@cuckoo-distributed/testing'
import { openFiles } from '../src/files/open-files.js'
import { storeReport } from '../src/files/report-file.js'
import { connectNode } from '../src/nodes/inspect-node.js'
import { fakeNode, folderOf } from './contract-scene.js'
import { configWith, makeNode, makeScene } from './dispatch-scene.js'

const { signal } = new AbortController()
const log = createLogger('test', { LogFile: '', LogLevel: 'warning' })
/** As of a database that is new. */
const DATABASE = { id: 'id', hasDirectories: async () => false, recordDirectories: async () => {} }

/** What this process has open in the folder. */
function openIn(folder: string): string[] {
  return readdirSync('/proc/self/fd').flatMap(fd => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`)
      return path.startsWith(folder) ? [path] : []
    } catch {
      return [] // the descriptor of the listing itself
    }
  })
}

/** A directory that is on its way to disk is open for a moment longer. */
async function nothingOpen(folder: string): Promise<void> {
  await waitFor(() => openIn(folder).length === 0, { describe: () => `nothing to be open; there is ${openIn(folder)}` })
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter(entry => entry.isFile() && !entry.name.startsWith('.distributed')).map(({ name }) => name)
}

describe('a sample', () => {
  test('and the directory that names it are on disk before it is said to be saved; only its owner may read it', async t => {
    const folder = await folderOf(t)
    const files = await openFiles(configWith(folder), DATABASE, log)
    const { steps, note } = await spyOnFiles(t)
    const sample = await files.saveSample(Readable.from([Buffer.alloc(600_000, 'x'), Buffer.from('y')]), signal)
    note('saved')
    const shard = sample.path.slice(0, 2)
    const at = (step: string) => steps.lastIndexOf(step)
    assert(at('sync samples') >= 0 && at('sync samples') < at('sync ID.bin'), `${steps}`)
    assert(steps.lastIndexOf('write ID.bin') < at('sync ID.bin'), `${steps}`)
    assert(at(`sync ${shard}`) >= 0 && at(`sync ${shard}`) < at('saved') && at('sync ID.bin') < at('saved'), `${steps}`)
    const { mode } = await stat(files.samplePath(sample.path))
    assert.equal(mode & 0o777, 0o600)
    assert.equal((await stat(join(files.samplesDirectory, shard))).mode & 0o777, 0o700)
    await nothingOpen(folder)
  })

  for (const [name, end] of [
    ['whose upload fails', (stream: Readable) => stream.destroy(new Error('cut'))],
    ['whose upload is not wanted any more', (_: Readable, stop: AbortController) => stop.abort(new Error('cut'))],
  ] as const) {
    test(`${name} leaves no file and nothing open`, async t => {
      const folder = await folderOf(t)
      const files = await openFiles(configWith(folder), DATABASE, log)
      const stop = new AbortController()
      const stream = new Readable({ read() {} })
      // As the parser of forms does.
      stream.on('error', () => {})
      const saving = files.saveSample(stream, stop.signal)
      for (let i = 0; i < 20; i += 1) stream.push(Buffer.alloc(100_000))
      await waitFor(() => openIn(folder).length > 0, { describe: 'the file to be open' })
      end(stream, stop)
      await assert.rejects(saving, /cut/)
      assert.deepEqual(await filesIn(folder), [])
      await nothingOpen(folder)
    })
  }

  test('that fills the disk below MinFreeSpace is refused as one that has no space, and leaves nothing', async t => {
    const folder = await folderOf(t)
    const files = await openFiles(configWith(folder, { MinFreeSpace: Number.MAX_SAFE_INTEGER }), DATABASE, log)
    const big = Readable.from([Buffer.alloc(600_000), Buffer.alloc(600_000)])
    await assert.rejects(files.saveSample(big, signal), { code: 'ENOSPC' })
    assert(big.destroyed)
    assert.deepEqual(await filesIn(folder), [])
    await nothingOpen(folder)
  })

  test('whose writing fails is not said to be saved', async t => {
    const folder = await folderOf(t)
    const files = await openFiles(configWith(folder), DATABASE, log)
    const handle = await open('/dev/null')
    const handles = Object.getPrototypeOf(handle)
    await handle.close()
    for (const method of ['writeFile', 'sync']) {
      const original = handles[method]
      t.after(() => Object.assign(handles, { [method]: original }))
      handles[method] = async () => Promise.reject(Object.assign(new Error('full'), { code: 'ENOSPC' }))
      await assert.rejects(files.saveSample(Readable.from([Buffer.alloc(2_000_000)]), signal), { code: 'ENOSPC' })
      handles[method] = original
      assert.deepEqual(await filesIn(folder), [], method)
      await nothingOpen(folder)
    }
  })
})

describe('reports', () => {
  test('are on disk with their names before their task is finished, and that is before the node deletes', async t => {
    const scene = await makeScene(t)
    const node = await fakeNode(t)
    node.newStatus = 'reported'
    await scene.addNode('n1', node.url)
    const id = await scene.addTask('MZ')
    const { steps, note } = await spyOnFiles(t)
    const finish = scene.store.dispatch.finish.bind(scene.store.dispatch)
    scene.store.dispatch.finish = async (...given) => {
      note('finish')
      const isFinished = await finish(...given)
      note('finished')
      return isFinished
    }
    node.onDelete = () => note('deleted')
    scene.start()
    await scene.reaches(id, 'finished')
    await waitFor(() => node.tasks.size === 0, { describe: 'the copy to be deleted' })
    const seen = steps.filter(step => !step.startsWith('write'))
    assert.deepEqual(seen.slice(seen.indexOf('sync reports')), [
      'sync reports',
      'sync .partial-ID',
      'rename .partial-ID report.json',
      'sync .partial-ID',
      'rename .partial-ID report.dropped',
      `sync ${id}`,
      'finish',
      'finished',
      'deleted',
    ])
    assert.equal((await stat(scene.files.reportPath(id, 'json'))).mode & 0o777, 0o600)
    assert.equal((await stat(scene.files.reportDirectory(id))).mode & 0o777, 0o700)
    await nothingOpen(scene.folder)
  })

  test('of which a part had come when the process ended are begun anew, and the part is removed', async t => {
    const scene = await makeScene(t)
    const node = await makeNode(t, { singleThreaded: false })
    await scene.addNode('n1', node.url)
    node.faults.next({ kind: 'slow', milliseconds: 60_000, match: { path: '/tasks/report/1/dropped' } })
    const id = await scene.addTask('MZ')
    scene.start()
    await waitFor(async () => (await scene.reportNames(id).catch(() => [''])).includes('report.json'), {
      describe: 'the first report',
    })
    await scene.stop()
    assert.deepEqual(await scene.reportNames(id), ['report.json'])
    await writeFile(join(scene.files.reportDirectory(id), '.partial-of-a-crash'), 'x')
    scene.start()
    await scene.reaches(id, 'finished')
    assert.deepEqual(await scene.reportNames(id), ['report.dropped', 'report.json'])
  })

  test('that cannot be used leave no file, nothing open, and no connection', async t => {
    const scene = await makeScene(t, { MaxReport: 100, MaxRequeues: 0, Interval: 0.05 })
    const node = await fakeNode(t)
    node.newStatus = 'reported'
    node.reports.set('json', `{"x": "${'y'.repeat(200)}"}`)
    await scene.addNode('n1', node.url)
    const id = await scene.addTask('MZ')
    await mkdir(scene.files.reportDirectory(id))
    scene.start()
    assert.match((await scene.reaches(id, 'failed')).error ?? '', /longer than 100 bytes/)
    assert.deepEqual(
      (await scene.reportNames(id)).filter(name => name !== 'report.dropped'),
      [],
    )
    await waitFor(() => node.connections === 0, { describe: 'no connection to be left' })
    await nothingOpen(scene.folder)
  })

  test('that cannot be written leave no connection', async t => {
    const node = await fakeNode(t)
    node.reports.set('json', Buffer.alloc(2 ** 24))
    node.tasks.set(1, { status: 'reported', custom: '', sample: null, errors: [] })
    await using client = connectNode(configWith(await folderOf(t)), node.url)
    const response = await client.reportAs(1, 'json', signal)
    assert(response)
    const expected = { format: 'json', limit: 2 ** 30, sha256: null, patienceMs: 1000, onPiece() {}, beforeRename() {} }
    await assert.rejects(storeReport(response, join(await folderOf(t), 'missing'), expected), { code: 'ENOENT' })
    await waitFor(() => node.connections === 0, { describe: 'no connection to be left' })
  })
})
