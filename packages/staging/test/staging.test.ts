import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { fstatSync, readdirSync, readSync } from 'node:fs'
import promises, { type FileHandle, mkdtemp, open, readdir, rm } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { devNull, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { type Source, type StagedEntry, StagingError, stageArchive, stageEntry } from '../src/index.js'

let folder = ''
const memory = Buffer.alloc(1_048_576)
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'staging-test-'))
})
after(() => rm(folder, { recursive: true }))

async function* of(...chunks: readonly string[]): AsyncGenerator<Buffer> {
  for (const chunk of chunks) yield Buffer.from(chunk)
}

const entryOf = (bytes: Buffer): Source => ({
  name: 'a.exe',
  stream: async function* () {
    for (let pos = 0; pos < bytes.length; pos += 100_000) yield bytes.subarray(pos, pos + 100_000)
  },
})

async function contents(entry: StagedEntry): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of entry.open()) chunks.push(chunk)
  return Buffer.concat(chunks)
}

const stagingError =
  (code: string) =>
  (error: unknown): boolean =>
    error instanceof StagingError && error.code === code

test('a staged archive is complete, private and has no name', async () => {
  const file = await stageArchive(of('abc', '', 'def'), folder, { length: 6, maxBytes: 6 })
  assert.equal(file.size, 6)
  const bytes = Buffer.alloc(10)
  assert.equal(readSync(file.fd, bytes, 0, 10, 0), 6)
  assert.equal(bytes.toString('latin1', 0, 6), 'abcdef')
  assert.equal(fstatSync(file.fd).mode & 0o777, 0o600)
  assert.equal(fstatSync(file.fd).nlink, 0)
  assert.deepEqual(await readdir(folder), [])
  await file[Symbol.asyncDispose]()
  await file[Symbol.asyncDispose]()
})

test('an archive of another length than announced is refused', async () => {
  await assert.rejects(stageArchive(of('abc'), folder, { length: 4, maxBytes: 10 }), stagingError('length'))
  await assert.rejects(stageArchive(of('abc', 'de'), folder, { length: 4, maxBytes: 10 }), stagingError('length'))
})

test('an archive over the limit is refused, before its first byte if its length says so', async () => {
  await assert.rejects(stageArchive(of('abc', 'de'), folder, { maxBytes: 4 }), stagingError('too-large'))
  const untouched: AsyncIterable<Buffer> = {
    [Symbol.asyncIterator]: () => assert.fail('nothing must be read'),
  }
  await assert.rejects(stageArchive(untouched, folder, { length: 5, maxBytes: 4 }), stagingError('too-large'))
})

test('a folder that is not there is an error of the file system', async () => {
  const missing = join(folder, 'missing')
  await assert.rejects(stageArchive(of('abc'), missing, { maxBytes: 4 }), stagingError('io'))
  await assert.rejects(stageEntry(entryOf(Buffer.alloc(2_000_000)), missing, memory), stagingError('io'))
})

/** Of all file handles. */
async function prototypeOfFiles(): Promise<FileHandle> {
  await using handle = await open(devNull)
  return Object.getPrototypeOf(handle)
}

test('a full disk is told apart', async t => {
  t.mock.method(await prototypeOfFiles(), 'write', () =>
    Promise.reject(Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })),
  )
  await assert.rejects(stageArchive(of('abc'), folder, { maxBytes: 4 }), stagingError('no-space'))
  await assert.rejects(stageEntry(entryOf(Buffer.alloc(2_000_000)), folder, memory), stagingError('no-space'))
})

test('an error of the source is passed on as it is', async () => {
  const reset = new Error('connection reset')
  const failing = (async function* () {
    yield Buffer.from('abc')
    throw reset
  })()
  await assert.rejects(stageArchive(failing, folder, { maxBytes: 10 }), reset)
})

test('an abort ends the wait for a source that hangs', async () => {
  const stop = new AbortController()
  const reason = new Error('stopped')
  const hanging = (async function* () {
    yield Buffer.from('abc')
    queueMicrotask(() => stop.abort(reason))
    await new Promise(() => undefined)
  })()
  await assert.rejects(stageArchive(hanging, folder, { maxBytes: 10, signal: stop.signal }), reason)
})

test('a dropped file can be read again and again, from memory or from the disk', async () => {
  for (const size of [0, 1_048_576, 1_048_577, 3_000_000]) {
    const bytes = Buffer.alloc(size, 'malware!')
    const staged = await stageEntry(entryOf(bytes), folder, memory)
    assert.equal(staged.size, size)
    assert.ok((await contents(staged)).equals(bytes))
    assert.ok((await contents(staged)).equals(bytes))
    await staged[Symbol.asyncDispose]()
    await staged[Symbol.asyncDispose]()
  }
})

/** Files whose every write takes `most` bytes at most and is asynchronous for longer than usual. */
async function slowWrites(t: TestContext, most: number): Promise<() => number> {
  const prototype = await prototypeOfFiles()
  type Write = (this: FileHandle, bytes: Buffer, from: number, length: number, at: number) => Promise<unknown>
  const write: Write = prototype.write
  let running = 0
  let together = 0
  t.mock.method(
    prototype,
    'write',
    async function (this: FileHandle, bytes: Buffer, from: number, length: number, at: number) {
      together = Math.max(together, ++running)
      await new Promise(resolve => setImmediate(resolve))
      try {
        return await write.call(this, bytes, from, Math.min(length, most), at)
      } finally {
        running--
      }
    },
  )
  return () => together
}

test('a disk that takes less than it is given, and late, gets everything in its place', async t => {
  const together = await slowWrites(t, 200_001)
  const bytes = Buffer.from(Array.from({ length: 2_500_000 }, (_, at) => (at * 31 + (at >> 8)) % 251))
  async function* pieces(): AsyncGenerator<Buffer> {
    for (let at = 0; at < bytes.length; at += 700_000) yield bytes.subarray(at, at + 700_000)
  }
  await using file = await stageArchive(pieces(), folder, { maxBytes: bytes.length })
  const stored = Buffer.alloc(bytes.length + 1)
  assert.equal(readSync(file.fd, stored, 0, stored.length, 0), bytes.length)
  assert.ok(stored.subarray(0, -1).equals(bytes))
  await using entry = await stageEntry(entryOf(bytes), folder, Buffer.alloc(150_000))
  assert.ok((await contents(entry)).equals(bytes))
  assert.equal(entry.md5, createHash('md5').update(bytes).digest('hex'))
  assert.equal(together(), 1)
})

test('a file whose name cannot be taken away is none, and is closed', async t => {
  const descriptors = readdirSync('/proc/self/fd')
  t.mock.method(promises, 'unlink', () => Promise.reject(Object.assign(new Error('busy'), { code: 'EBUSY' })))
  syncBuiltinESMExports()
  try {
    await assert.rejects(stageArchive(of('abc'), folder, { maxBytes: 4 }), stagingError('io'))
  } finally {
    t.mock.restoreAll()
    syncBuiltinESMExports()
  }
  assert.deepEqual(readdirSync('/proc/self/fd'), descriptors)
})

/** Resolves with the descriptors that `work` has left open, whether it succeeds or not. */
async function leftOpen(work: () => Promise<unknown>): Promise<string[]> {
  const before = readdirSync('/proc/self/fd')
  await work().catch(() => undefined)
  return readdirSync('/proc/self/fd').filter(fd => !before.includes(fd))
}

test('a file is closed when it is disposed of, and when it could not be completed', async () => {
  const failing = (size: number): Source => ({
    name: 'a',
    stream: async function* () {
      yield Buffer.alloc(size)
      throw new Error('a damaged archive')
    },
  })
  const small = Buffer.alloc(10)
  const cases: Readonly<Record<string, () => Promise<unknown>>> = {
    'archive disposed of': async () => (await stageArchive(of('abc'), folder, { maxBytes: 4 }))[Symbol.asyncDispose](),
    'archive above the limit': () => stageArchive(of('abcde'), folder, { maxBytes: 4 }),
    'archive of another length': () => stageArchive(of('abc'), folder, { maxBytes: 4, length: 2 }),
    'archive that fails': () => stageArchive(failing(3).stream(), folder, { maxBytes: 4 }),
    'entry disposed of': async () =>
      (await stageEntry(entryOf(Buffer.alloc(11)), folder, small))[Symbol.asyncDispose](),
    'entry that fails': () => stageEntry(failing(11), folder, small),
  }
  for (const [what, work] of Object.entries(cases)) assert.deepEqual(await leftOpen(work), [], what)
})

test('a dropped file needs the disk only when it is a byte longer than the memory', async () => {
  const missing = join(folder, 'missing')
  const small = Buffer.alloc(10)
  const pieces = (...sizes: readonly number[]): Source => ({
    name: 'a',
    stream: async function* () {
      for (const size of sizes) yield Buffer.alloc(size, 'x')
    },
  })
  for (const sizes of [[10], [1], [4, 6], []])
    assert.equal(
      (await contents(await stageEntry(pieces(...sizes), missing, small))).length,
      sizes.reduce((sum, size) => sum + size, 0),
    )
  for (const sizes of [[11], [4, 7], [10, 1]])
    await assert.rejects(stageEntry(pieces(...sizes), missing, small), stagingError('io'))
})

test('the MD5 of a dropped file is that of its bytes, in memory or on the disk', async () => {
  const bytes = Buffer.from('a dropped file')
  const digest = createHash('md5').update(bytes).digest('hex')
  for (const size of [bytes.length, bytes.length - 1]) {
    await using staged = await stageEntry(entryOf(bytes), folder, Buffer.alloc(size))
    assert.deepEqual([staged.name, staged.md5], ['a.exe', digest])
  }
})

test('of a write that fails while the source fails as well, nothing is left unheard', async t => {
  t.mock.method(await prototypeOfFiles(), 'write', () =>
    Promise.reject(Object.assign(new Error('full'), { code: 'EDQUOT' })),
  )
  const failing = (async function* () {
    yield Buffer.alloc(600_000)
    await new Promise(resolve => setImmediate(resolve))
    throw new Error('connection reset')
  })()
  await assert.rejects(stageArchive(failing, folder, { maxBytes: 1e6 }), /connection reset/)
  await assert.rejects(stageArchive(of('abc'), folder, { maxBytes: 4 }), stagingError('no-space'))
})
