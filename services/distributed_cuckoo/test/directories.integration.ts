/** Directories that go away and come back: an outage of the server, of which no task notices anything. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { appendFile, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createLogger, errorCode, toError } from '@cuckoo-distributed/core'
import { type LogLine, waitFor } from '@cuckoo-distributed/testing'
import { claimDirectory } from '../src/files/marker.js'
import { openFiles } from '../src/files/open-files.js'
import { probeDirectory } from '../src/files/probe.js'
import { curl, member, refused } from './curl.js'
import { isEmptied, makeNode } from './dispatch-scene.js'
import { type Front, makeFront } from './front.js'

const MARKER = '.distributed_cuckoo'
const log = createLogger('test', { LogFile: '', LogLevel: 'warning' })

/** As when a file system is unmounted: what is left is the empty directory that it was mounted on. */
async function unmount(path: string): Promise<() => Promise<void>> {
  await rename(path, `${path}.real`)
  await mkdir(path)
  return async () => {
    await rename(path, `${path}.bare`)
    await rename(`${path}.real`, path)
  }
}

/** As a network file system whose server is gone: whoever asks waits. */
async function hang(path: string): Promise<() => Promise<void>> {
  const marker = join(path, MARKER)
  await rename(marker, `${marker}.real`)
  execFileSync('mkfifo', [marker])
  return async () => {
    // Whoever waits for the other end of the pipe goes on, and finds the marker the next time.
    execFileSync('/bin/sh', ['-c', `exec 3<> '${marker}' && mv '${marker}.real' '${marker}'`])
  }
}

/** An empty file system of its own. */
async function mountSmall(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'mounted-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m,mode=700', 'tmpfs', path])
  t.after(() => {
    execFileSync('umount', ['-l', path])
    return rm(path, { recursive: true })
  })
  return path
}

const isRoot = process.getuid?.() === 0

async function readOnly(path: string): Promise<() => Promise<void>> {
  const remount = () => spawnSync('mount', ['-o', 'remount,ro', path], { stdio: 'ignore' })
  await waitFor(() => remount().status === 0, { describe: 'no file to be open for writing' })
  return async () => void execFileSync('mount', ['-o', 'remount,rw', path])
}

/** Whatever becomes free is filled again. */
async function full(path: string): Promise<() => Promise<void>> {
  const filler = join(path, 'filler')
  const restored = new AbortController()
  const fill = async () => {
    try {
      while (!restored.signal.aborted) await appendFile(filler, Buffer.alloc(2 ** 12))
    } catch (error: unknown) {
      if (errorCode(toError(error)) !== 'ENOSPC') throw error
    }
  }
  await fill()
  const filling = (async () => {
    for (; !restored.signal.aborted; await pause(5)) await fill()
  })()
  return async () => {
    restored.abort()
    await filling
    await rm(filler)
  }
}

interface Loss {
  readonly name: string
  readonly lose: (path: string) => Promise<() => Promise<void>>
  readonly needsRoot?: boolean
  readonly status: number
  /** Whether what is there can still be read. */
  readonly reads?: boolean
}

const LOSSES: readonly Loss[] = [
  { name: 'unmounted', lose: unmount, status: 503 },
  { name: 'hung', lose: hang, status: 503 },
  { name: 'read-only', lose: readOnly, needsRoot: true, status: 503, reads: true },
  { name: 'full', lose: full, needsRoot: true, status: 507, reads: true },
]

async function serverWithNode(t: TestContext, { needsRoot = false }: Loss, kind: 'samples' | 'reports') {
  const key = kind === 'samples' ? 'SamplesDirectory' : 'ReportsDirectory'
  const given = { ReportFormats: ['json'], LogLevel: 'info', ...(needsRoot && { [key]: await mountSmall(t) }) }
  const front = await makeFront(t, given)
  const node = await makeNode(t, { analysisTime: 300 })
  await front.start()
  await front.addNode('n1', node.url)
  return { front, node, directory: front.directories[key] }
}

async function isAway({ url }: Front): Promise<boolean> {
  return member((await curl(`${url}/status`)).json, 'dist', 'problem') !== null
}

// Each waits for most of its time.
describe('an outage of a directory', { concurrency: 4 }, () => {
  for (const loss of LOSSES) {
    const skip = loss.needsRoot && !isRoot ? 'only root can mount' : false
    for (const kind of ['samples', 'reports'] as const) {
      test(`a ${kind} directory that is ${loss.name} fails nothing and loses nothing`, { skip }, async t => {
        const { front, node, directory } = await serverWithNode(t, loss, kind)
        const first = await front.submit('MZ first')
        await front.reaches(first, 'finished')
        const ids = [first]
        for (let i = 0; i < 20; i += 1) ids.push(await front.submit(`MZ ${i}`))
        const restore = await loss.lose(directory)
        await front.process.waitForLog(said('a directory is away', kind))
        await waitFor(() => isAway(front), { describe: 'the status to say so' })
        if (kind === 'samples') refused(await curl(`${front.url}/task`, '-F', 'file=@/bin/true'), loss.status)
        else assert.equal((await curl(`${front.url}/report/${first}`)).status, loss.reads ? 200 : 503)
        assert.equal((await curl(`${front.url}/task`)).status, 200)
        const submissions = node.submissions.length
        await restore()
        await front.process.waitForLog(said('a directory is back', kind))
        for (const id of ids) {
          await front.reaches(id, 'finished')
          assert.equal((await curl(`${front.url}/report/${id}`)).status, 200)
        }
        await isEmptied(node)
        assert.equal(node.submissions.length - submissions, ids.length - submissions, 'none was analysed twice')
        const told = front.process.log.filter(
          line => said('a directory is away', kind)(line) || said('a directory is back', kind)(line),
        )
        const causes = told.map(({ msg, problem }) => `${msg}: ${problem}`)
        const twice = causes.filter((cause, i) => cause === causes[i - 1])
        assert.deepEqual(twice, [], `one line for each cause: ${causes}`)
      })
    }
  }
})

describe('a server that starts', () => {
  test('while its samples are unmounted takes the mount point for no directory of its own', async t => {
    const front = await makeFront(t, { LogLevel: 'info' })
    const samples = join(front.folder, 'samples')
    await front.start()
    const id = await front.submit('MZ')
    await front.process.stop()
    const mount = await unmount(samples)
    const node = await makeNode(t)
    await front.start()
    await front.addNode('n1', node.url)
    refused(await curl(`${front.url}/task`, '-F', 'file=@/bin/true'), 503, /directories cannot be used/)
    assert.deepEqual(await readdir(samples), [])
    await mount()
    await front.reaches(id, 'finished')
  })

  test('with others finds a marker that is whole, also where a crash has left an empty one', async t => {
    const folder = await mkdtemp(join(tmpdir(), 'claims-'))
    t.after(() => rm(folder, { recursive: true, maxRetries: 10 }))
    for (const [i, before] of [undefined, ''].entries()) {
      const path = join(folder, String(i))
      await mkdir(path)
      if (before !== undefined) await writeFile(join(path, MARKER), before)
      const owners = await Promise.all(Array.from({ length: 20 }, () => claimDirectory(path, 'ours')))
      assert.deepEqual(new Set(owners), new Set(['ours']))
      assert.equal(await readFile(join(path, MARKER), 'utf8'), 'ours\n')
      assert.deepEqual(await readdir(path), [MARKER])
      assert.equal(await claimDirectory(path, 'theirs'), 'ours')
    }
  })

  test('keeps what was deleted while the reports were away, and removes it when they are back', async t => {
    const front = await makeFront(t, { LogLevel: 'info' })
    const node = await makeNode(t)
    await front.start()
    await front.addNode('n1', node.url)
    const id = await front.submit('MZ')
    await front.reaches(id, 'finished')
    const reports = join(front.folder, 'reports')
    const mount = await unmount(reports)
    assert.equal((await curl('-XDELETE', `${front.url}/task/${id}`)).status, 200)
    await front.process.waitForLog(said('a directory is away', 'reports'))
    await mount()
    await waitFor(() => !existsSync(join(reports, String(id))), { describe: 'its reports to go' })
  })
})

test('a sample counts only where the others are: between upload and task the directory may have gone', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'confirm-'))
  t.after(() => rm(folder, { recursive: true, maxRetries: 10 }))
  const config = { SamplesDirectory: join(folder, 's'), ReportsDirectory: join(folder, 'r'), MinFreeSpace: 0 }
  const database = { id: 'id', hasDirectories: async () => false, recordDirectories: async () => {} }
  const files = await openFiles(config, database, log)
  const sample = await files.saveSample(Readable.from([Buffer.from('MZ')]), new AbortController().signal)
  await files.confirmSample(sample)
  const mount = await unmount(join(folder, 's'))
  await assert.rejects(files.confirmSample(sample), { code: 'DIRECTORY_AWAY' })
  await assert.rejects(files.hasSample(sample.path), { code: 'DIRECTORY_AWAY' })
  await mount()
})

function said(msg: string, kind: 'samples' | 'reports') {
  return (line: LogLine) => line.msg === msg && line.holds === kind
}

test('a directory that many servers look at, at the same time, is there for each', async t => {
  const path = await mkdtemp(join(tmpdir(), 'shared-'))
  t.after(() => rm(path, { recursive: true }))
  await claimDirectory(path, 'us')
  for (let i = 0; i < 10; i += 1) {
    const results = await Promise.all(Array.from({ length: 10 }, () => probeDirectory(path).result))
    for (const result of results) assert.deepEqual(result, { marker: 'us', error: null })
  }
  assert.deepEqual(await readdir(path), ['.distributed_cuckoo'])
})
