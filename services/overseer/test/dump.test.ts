import assert from 'node:assert/strict'
import { chmod, mkdir, readdir, readFile, rename, rm, rmdir, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fakeClock, spyOnFiles, waitFor } from '@cuckoo-distributed/testing'
import { Claim, claimedName, expiredClaim } from '../src/claim.js'
import { DumpWriter } from '../src/dump.js'
import { eachMinute, makeDumpDir, requireOwner, sweep } from '../src/dump-dir.js'
import { silentLog, temporaryDir } from './support.js'

const pauses = { initialMs: 5, maxMs: 5 }
const never = new AbortController().signal

async function dumpDir(t: TestContext): Promise<string> {
  const dir = join(await temporaryDir(t), 'dumps')
  await makeDumpDir(dir, silentLog)
  return dir
}

test('a dump is for its owner only, and so is the directory', async t => {
  const dir = await dumpDir(t)
  assert.equal(
    await new DumpWriter({ dir, maxWaitingBytes: 10, maxWaiting: 0, log: silentLog }).write(
      'a',
      [Buffer.from('x')],
      never,
    ),
    true,
  )
  assert.equal((await stat(dir)).mode & 0o777, 0o700)
  assert.equal((await stat(join(dir, 'a'))).mode & 0o777, 0o600)
  assert.deepEqual(await readdir(dir), ['a'])
})

test('a directory that is open to others is warned of, and left as it is', async t => {
  const dir = await dumpDir(t)
  const warned: unknown[] = []
  const log = Object.assign(Object.create(silentLog), { warn: (line: unknown) => warned.push(line) })
  for (const mode of [0o700, 0o750, 0o704]) {
    await chmod(dir, mode)
    await makeDumpDir(dir, log)
  }
  assert.deepEqual(warned, [{ mode: '750' }, { mode: '704' }])
})

test('a directory that cannot be made is told as such', async t => {
  const dir = join(await temporaryDir(t), 'none', 'dumps')
  await assert.rejects(makeDumpDir(dir, silentLog), { code: 'ENOENT', syscall: 'mkdir' })
})

test('each outage of the directory is told once', async t => {
  const dir = await dumpDir(t)
  let told = 0
  const log = Object.assign(Object.create(silentLog), { error: () => (told += 1) })
  const dumps = new DumpWriter({ dir, maxWaitingBytes: 10, maxWaiting: 9, log, pauses })
  for (const outage of [1, 2]) {
    await mkdir(join(dir, 'a'))
    let tries = 0
    const content = {
      *[Symbol.iterator]() {
        tries += 1
        yield Buffer.from('x')
      },
    }
    const written = dumps.write('a', content, never)
    await waitFor(() => tries > 2, { describe: 'three tries' })
    assert.equal(told, outage)
    await rmdir(join(dir, 'a'))
    assert.equal(await written, true)
    await rm(join(dir, 'a'))
  }
})

test('a second dump of the same message replaces the first', async t => {
  const dir = await dumpDir(t)
  const dumps = new DumpWriter({ dir, maxWaitingBytes: 10, maxWaiting: 0, log: silentLog })
  await Promise.all([dumps.write('a', [Buffer.from('same')], never), dumps.write('a', [Buffer.from('same')], never)])
  assert.deepEqual(await readdir(dir), ['a'])
  assert.equal(await readFile(join(dir, 'a'), 'utf8'), 'same')
})

test('a dump waits for its directory to come back', async t => {
  const dir = await dumpDir(t)
  await rm(dir, { recursive: true })
  const written = new DumpWriter({ dir, maxWaitingBytes: 10, maxWaiting: 1, log: silentLog, pauses }).write(
    'a',
    [Buffer.from('x')],
    never,
  )
  await mkdir(dir)
  assert.equal(await written, true)
  assert.equal(await readFile(join(dir, 'a'), 'utf8'), 'x')
})

test('more than the allowed number do not wait', async t => {
  const dir = await dumpDir(t)
  await rm(dir, { recursive: true })
  let failures = 0
  const log = Object.assign(Object.create(silentLog), { error: () => (failures += 1) })
  const dumps = new DumpWriter({ dir, maxWaitingBytes: 10, maxWaiting: 1, log, pauses })
  const stop = new AbortController()
  const first = dumps.write('a', [Buffer.from('x')], stop.signal)
  first.catch(() => undefined)
  await waitFor(() => failures > 0, { describe: 'the first to find that it has to wait' })
  assert.equal(await dumps.write('b', [Buffer.from('x')], never), false)
  stop.abort(new Error('stopping'))
  await assert.rejects(first, /stopping/)
})

test('one that may not wait is tried once more after a second, so that messages do not go round without pause', async t => {
  const dir = await dumpDir(t)
  await mkdir(join(dir, 'a'))
  const clock = fakeClock(t)
  let tries = 0
  const counted = {
    *[Symbol.iterator]() {
      tries += 1
      yield Buffer.from('x')
    },
  }
  const dumps = new DumpWriter({ dir, maxWaitingBytes: 10, maxWaiting: 0, log: silentLog })
  const written = dumps.write('a', counted, never)
  const triedAgain = async (times: number) => {
    while (tries < times || (await readdir(dir)).some(name => name.startsWith('.tmp-'))) await clock.pass(0)
  }
  await triedAgain(1)
  await rmdir(join(dir, 'a'))
  await clock.pass(999)
  assert.equal(tries, 1)
  await clock.pass(1)
  assert.equal(await written, true)
  assert.equal(tries, 2)
})

test('more bytes than allowed do not wait, and what has waited frees its own', async t => {
  const dir = await dumpDir(t)
  for (const name of ['a', 'b', 'c']) await mkdir(join(dir, name))
  const dumps = new DumpWriter({ dir, maxWaitingBytes: 10, maxWaiting: 9, log: silentLog, pauses })
  const stop = new AbortController()
  const tries = { a: 0, b: 0 }
  const counted = (name: 'a' | 'b') => ({
    *[Symbol.iterator]() {
      tries[name] += 1
      yield Buffer.from('x')
    },
  })
  const waiting = [dumps.write('a', counted('a'), stop.signal, 6), dumps.write('b', counted('b'), stop.signal, 4)]
  const ended = Promise.allSettled(waiting)
  await waitFor(() => tries.a > 1 && tries.b > 1, { describe: 'both to wait' })
  assert.equal(await dumps.write('c', [Buffer.from('x')], AbortSignal.timeout(5000), 1), false)
  stop.abort(new Error('stopping'))
  await ended
  tries.a = 0
  const again = dumps.write('c', counted('a'), AbortSignal.timeout(60_000), 10)
  await waitFor(() => tries.a > 3, { describe: 'it to wait' })
  await rmdir(join(dir, 'c'))
  assert.equal(await again, true)
})

test('a place is free again once its wait was ended', async t => {
  const dir = await dumpDir(t)
  await mkdir(join(dir, 'a'))
  const dumps = new DumpWriter({ dir, maxWaitingBytes: 10, maxWaiting: 1, log: silentLog, pauses })
  const aborted = AbortSignal.abort(new Error('stopping'))
  await assert.rejects(dumps.write('a', [Buffer.from('x')], aborted), /stopping/)
  let tries = 0
  const counted = {
    *[Symbol.iterator]() {
      tries += 1
      yield Buffer.from('x')
    },
  }
  const second = dumps.write('a', counted, AbortSignal.timeout(60_000))
  await waitFor(() => tries > 3, { describe: 'it to wait' })
  await rmdir(join(dir, 'a'))
  assert.equal(await second, true)
})

test('what dead processes left is tidied up, what live ones work on is left alone', async t => {
  const dir = await dumpDir(t)
  const now = Date.now()
  const live = [
    `.claim-${now}xab-live`,
    `.claim-${now - 290_000}xab-still-live`,
    `.claim-${now + 290_000}xab-fast-clock`,
  ]
  const dead = [`.claim-${now - 310_000}xab-dead`, `.claim-${now + 310_000}xab-from-the-future`]
  const others = ['.claim-', '.claim-x-y', '.hidden', 'dump']
  for (const file of ['.tmp-fresh', '.tmp-stale', ...live, ...dead, ...others]) await writeFile(join(dir, file), file)
  await utimes(join(dir, '.tmp-fresh'), new Date(), new Date(now - 50_000))
  await utimes(join(dir, '.tmp-stale'), new Date(), new Date(now - 61_000))
  await sweep(dir, silentLog)
  const expected = ['.tmp-fresh', ...live, 'dead', 'from-the-future', '.claim-x-y', '.claim-', '.hidden', 'dump']
  assert.deepEqual((await readdir(dir)).sort(), expected.sort())
  assert.equal(await readFile(join(dir, 'dead'), 'utf8'), dead[0])
})

test('two overseers may tidy up at the same time; what cannot be tidied up is told', async t => {
  const dir = await dumpDir(t)
  await writeFile(join(dir, '.claim-1xab-dead'), '')
  await writeFile(join(dir, '.tmp-stale'), '')
  await utimes(join(dir, '.tmp-stale'), 1, 1)
  await spyOnFiles(t)
  await Promise.all([sweep(dir, silentLog), sweep(dir, silentLog)])
  assert.deepEqual(await readdir(dir), ['dead'])
  await mkdir(join(dir, 'blocked'))
  await writeFile(join(dir, '.claim-1xab-blocked'), '')
  await assert.rejects(sweep(dir, silentLog), { syscall: 'rename' })
})

test('a claim is held for five minutes without a sign of life, and not longer', () => {
  assert.equal(expiredClaim('.claim-1000000xab-a-b.json', 1_300_000), undefined)
  assert.equal(expiredClaim('.claim-1000000xab-a-b.json', 1_300_001), 'a-b.json')
})

test('a claim from later than five minutes ahead was given before the clock was set back, and has expired', () => {
  assert.equal(expiredClaim('.claim-1300000xab-a-b.json', 1_000_000), undefined)
  assert.equal(expiredClaim('.claim-1300001xab-a-b.json', 1_000_000), 'a-b.json')
})

test('a claim is renewed while it is held, and what was swept meanwhile is not taken away', async t => {
  const dir = await dumpDir(t)
  await writeFile(join(dir, 'a'), '')
  await using claim = await Claim.take(dir, 'a', 1)
  assert.ok(claim)
  const [first] = await readdir(dir)
  await waitFor(async () => (await readdir(dir))[0] !== first, { everyMs: 1, describe: 'a renewal' })
  await writeFile(join(dir, 'b'), '')
  await using swept = await Claim.take(dir, 'b')
  assert.ok(swept)
  const fileOfB = (await readdir(dir)).find(name => claimedName(name) === 'b') ?? ''
  await rename(join(dir, fileOfB), join(dir, 'b'))
  await assert.rejects(swept.remove(), { code: 'ENOENT' })
  await claim.giveBack()
  assert.deepEqual(await readdir(dir), ['a', 'b'])
  assert.equal(await Claim.take(dir, 'none'), undefined)
})

test('a running overseer gives expired claims back, and goes on when its directory was away', async t => {
  const dir = await dumpDir(t)
  const stop = new AbortController()
  let failures = 0
  const log = Object.assign(Object.create(silentLog), { debug: () => (failures += 1) })
  const swept = eachMinute(() => sweep(dir, log), log, stop.signal, 1)
  const put = (name: string) => writeFile(join(dir, `.claim-1xab-${name}`), '')
  await put('a')
  await waitFor(async () => (await readdir(dir)).includes('a'), { describe: 'the first' })
  await rename(dir, `${dir}.away`)
  await waitFor(() => failures > 0, { describe: 'a round without the directory' })
  await rename(`${dir}.away`, dir)
  await put('b')
  await waitFor(async () => (await readdir(dir)).includes('b'), { describe: 'the second' })
  stop.abort(new Error('stopping'))
  await swept
})

test('the directory is looked through once a minute, and a stop is not waited for', async t => {
  const clock = fakeClock(t)
  const stop = new AbortController()
  let rounds = 0
  const round = async () => {
    rounds += 1
  }
  const ended = eachMinute(round, silentLog, stop.signal)
  await clock.pass(59_999)
  assert.equal(rounds, 1)
  await clock.pass(1)
  assert.equal(rounds, 2)
  stop.abort(new Error('stopping'))
  await ended
  assert.equal(rounds, 2)
})

test('a half-written file is somebody’s for a minute, and not longer', async t => {
  const dir = await dumpDir(t)
  fakeClock(t)
  for (const ms of [60_000, 60_001]) {
    await writeFile(join(dir, `.tmp-${ms}`), '')
    await utimes(join(dir, `.tmp-${ms}`), new Date(), new Date(Date.now() - ms))
  }
  await sweep(dir, silentLog)
  assert.deepEqual(await readdir(dir), ['.tmp-60000'])
})

test('only the owner of the directory may put its dumps back', async t => {
  const dir = await dumpDir(t)
  const { uid } = await stat(dir)
  await requireOwner(dir)
  await requireOwner(dir, uid)
  await assert.rejects(requireOwner(dir, uid + 1), { code: 'CONFIG', message: /belongs to user \d+, and this is user/ })
})

test('a write whose half-written file is taken away is made again', async t => {
  const dir = await dumpDir(t)
  const dumps = new DumpWriter({ dir, maxWaitingBytes: 10, maxWaiting: 1, log: silentLog, pauses })
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
  for (let number = 0; !taken; number += 1) assert.equal(await dumps.write(`${number}`, [content], never), true)
  await thief
  assert.ok(!(await readdir(dir)).some(file => file.startsWith('.')))
})

test('a failed write leaves no half file behind', async t => {
  const dir = await dumpDir(t)
  await mkdir(join(dir, 'a'))
  const stop = new AbortController()
  const writing = new DumpWriter({ dir, maxWaitingBytes: 10, maxWaiting: 1, log: silentLog, pauses }).write(
    'a',
    [Buffer.from('x')],
    stop.signal,
  )
  await waitFor(async () => (await readdir(dir)).length > 1, { everyMs: 0, describe: 'a first try' })
  await waitFor(async () => (await readdir(dir)).length === 1, { everyMs: 0, describe: 'nothing but the obstacle' })
  stop.abort(new Error('stopping'))
  await assert.rejects(writing, /stopping/)
})
