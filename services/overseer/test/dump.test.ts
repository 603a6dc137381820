import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { waitFor } from '@cuckoo-distributed/testing'
import { claimName, DumpWriter, prepareDumpDir } from '../src/dump.js'
import { Presence } from '../src/presence.js'
import { silentLog, temporaryDir } from './support.js'

const pauses = { initialMs: 5, maxMs: 5 }
const never = new AbortController().signal

async function dumpDir(t: TestContext): Promise<string> {
  const dir = join(await temporaryDir(t), 'dumps')
  await prepareDumpDir(dir, silentLog)
  return dir
}

test('a dump is for its owner only, and so is the directory', async t => {
  const dir = await dumpDir(t)
  assert.equal(await new DumpWriter({ dir, maxWaiting: 0, log: silentLog }).write('a', Buffer.from('x'), never), true)
  assert.equal((await stat(dir)).mode & 0o777, 0o700)
  assert.equal((await stat(join(dir, 'a'))).mode & 0o777, 0o600)
  assert.deepEqual(await readdir(dir), ['a'])
})

test('a second dump of the same message replaces the first', async t => {
  const dir = await dumpDir(t)
  const dumps = new DumpWriter({ dir, maxWaiting: 0, log: silentLog })
  await Promise.all([dumps.write('a', Buffer.from('same'), never), dumps.write('a', Buffer.from('same'), never)])
  assert.deepEqual(await readdir(dir), ['a'])
  assert.equal(await readFile(join(dir, 'a'), 'utf8'), 'same')
})

test('a dump waits for its directory to come back', async t => {
  const dir = await dumpDir(t)
  await rm(dir, { recursive: true })
  const written = new DumpWriter({ dir, maxWaiting: 1, log: silentLog, pauses }).write('a', Buffer.from('x'), never)
  await mkdir(dir)
  assert.equal(await written, true)
  assert.equal(await readFile(join(dir, 'a'), 'utf8'), 'x')
})

test('more than the allowed number do not wait', async t => {
  const dir = await dumpDir(t)
  await rm(dir, { recursive: true })
  let failures = 0
  const log = Object.assign(Object.create(silentLog), { error: () => (failures += 1) })
  const dumps = new DumpWriter({ dir, maxWaiting: 1, log, pauses })
  const stop = new AbortController()
  const first = dumps.write('a', Buffer.from('x'), stop.signal)
  first.catch(() => undefined)
  await waitFor(() => failures > 0, { describe: 'the first to find that it has to wait' })
  assert.equal(await dumps.write('b', Buffer.from('x'), never), false)
  stop.abort(new Error('stopping'))
  await assert.rejects(first, /stopping/)
})

test('a place is free again once its wait was ended', async t => {
  const dir = await dumpDir(t)
  await rm(dir, { recursive: true })
  const dumps = new DumpWriter({ dir, maxWaiting: 1, log: silentLog, pauses })
  const aborted = AbortSignal.abort(new Error('stopping'))
  await assert.rejects(dumps.write('a', Buffer.from('x'), aborted), /stopping/)
  const second = dumps.write('b', Buffer.from('x'), never)
  await mkdir(dir)
  assert.equal(await second, true)
})

test('what dead processes left is tidied up, what live ones work on is left alone', async t => {
  const dir = await dumpDir(t)
  await using live = await Presence.announce(dir)
  const held = claimName('of-the-living', live.id)
  const stale = ['.tmp-stale', '.resubmitter-dead']
  const claims = [held, claimName('of-the-dead', 'dead'), claimName('of-a-former-version', String(process.pid))]
  for (const file of ['.tmp-fresh', ...stale, ...claims]) await writeFile(join(dir, file), file)
  for (const file of stale) await utimes(join(dir, file), new Date(), new Date(Date.now() - 61_000))
  await prepareDumpDir(dir, silentLog)
  const expected = ['.tmp-fresh', `.resubmitter-${live.id}`, held, 'of-a-former-version', 'of-the-dead']
  assert.deepEqual((await readdir(dir)).sort(), expected.sort())
  assert.equal(await readFile(join(dir, 'of-the-dead'), 'utf8'), claimName('of-the-dead', 'dead'))
})

test('a write whose half-written file is taken away is made again', async t => {
  const dir = await dumpDir(t)
  const dumps = new DumpWriter({ dir, maxWaiting: 1, log: silentLog, pauses })
  let taken = false
  const thief = waitFor(
    async () => {
      const half = (await readdir(dir)).find(file => file.startsWith('.tmp-'))
      if (half !== undefined)
        taken = await rm(join(dir, half)).then(
          () => true,
          () => false,
        )
      return taken
    },
    { everyMs: 0, describe: 'a half-written file' },
  )
  const content = Buffer.alloc(8 * 1024 * 1024, 'x')
  for (let number = 0; !taken; number += 1) assert.equal(await dumps.write(`${number}`, content, never), true)
  await thief
  assert.ok(!(await readdir(dir)).some(file => file.startsWith('.')))
})

test('a failed write leaves no half file behind', async t => {
  const dir = await dumpDir(t)
  await mkdir(join(dir, 'a'))
  const stop = new AbortController()
  const writing = new DumpWriter({ dir, maxWaiting: 1, log: silentLog, pauses }).write(
    'a',
    Buffer.from('x'),
    stop.signal,
  )
  await waitFor(async () => (await readdir(dir)).length > 1, { everyMs: 0, describe: 'a first try' })
  await waitFor(async () => (await readdir(dir)).length === 1, { everyMs: 0, describe: 'nothing but the obstacle' })
  stop.abort(new Error('stopping'))
  await assert.rejects(writing, /stopping/)
})
