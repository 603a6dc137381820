import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { type StagedFile, stageArchive, stageEntry } from '@cuckoo-distributed/staging'
import { bigArchive } from '@cuckoo-distributed/testing'
import { pack } from 'tar-stream'
import { ArchiveError, type ArchiveLimits, openArchive } from '../src/index.js'
import {
  cuckoo12,
  cuckoo12Names,
  cuckoo12NoEntries,
  cuckoo12NoFiles,
  cuckoo20,
  cuckoo20Gzip,
  cuckoo20Names,
} from './archives.js'

let folder = ''
const memory = Buffer.alloc(1_048_576)
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'archive-test-'))
})
after(() => rm(folder, { recursive: true }))

async function* chunked(bytes: Buffer, size = bytes.length || 1): AsyncGenerator<Buffer> {
  for (let pos = 0; pos < bytes.length; pos += size) yield bytes.subarray(pos, pos + size)
}

const stage = (bytes: Buffer): Promise<StagedFile> => stageArchive(chunked(bytes), folder, { maxBytes: 1e9 })

async function withFile<T>(bytes: Buffer, use: (file: StagedFile) => Promise<T>): Promise<T> {
  const file = await stage(bytes)
  try {
    return await use(file)
  } finally {
    await file[Symbol.asyncDispose]()
  }
}

const list = (bytes: Buffer, limits: ArchiveLimits = {}): Promise<[string, number, string][]> =>
  withFile(bytes, async file => {
    const found: [string, number, string][] = []
    for await (const entry of openArchive(file, limits)) {
      const staged = await stageEntry(entry, folder, memory)
      assert.equal(staged.size, entry.size)
      found.push([staged.name, staged.size, staged.md5])
      await staged[Symbol.asyncDispose]()
    }
    return found
  })

const md5 = (bytes: Buffer | string): string => createHash('md5').update(bytes).digest('hex')

/** A tar archive of these files. */
async function tarOf(files: readonly (readonly [string, Buffer])[]): Promise<Buffer> {
  const archive = pack()
  for (const [name, bytes] of files) archive.entry({ name }, bytes)
  archive.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of archive) if (Buffer.isBuffer(chunk)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

const archiveError =
  (code: string, entries?: number) =>
  (error: unknown): boolean =>
    error instanceof ArchiveError && error.code === code && (entries === undefined || error.entries === entries)

test('an archive of Cuckoo 1.2 lists its files by their last names, empty ones and namesakes included', async () => {
  const found = await list(cuckoo12)
  assert.deepEqual(
    found.map(([name, size]) => [name, size]),
    [
      ['readme.txt', 19],
      ['dropped.exe', 68],
      ['näme with space.dat', 6],
      ['empty.bin', 0],
      ['readme.txt', 28],
    ],
  )
  assert.equal(found[3]?.[2], md5(''))
})

test('an archive of Cuckoo 2.0 lists the same names without their hash, from bzip2, gzip and plain tar', async () => {
  const expected = [
    ['readme.txt', 27],
    ['empty.bin', 0],
    ['dropped.exe', 68],
    ['näme with space.dat', 6],
    ['readme.txt', 18],
  ]
  for (const bytes of [cuckoo20, cuckoo20Gzip, gunzipSync(cuckoo20Gzip)]) {
    assert.deepEqual(
      (await list(bytes)).map(([name, size]) => [name, size]),
      expected,
    )
  }
})

test('the bytes of a file are those that were archived', async () => {
  const [, , exe] = await list(cuckoo20)
  const [, , gzip] = await list(cuckoo20Gzip)
  assert.deepEqual(exe, gzip)
  assert.equal(exe?.[2]?.length, 32)
})

test('names chosen by malware cannot break lines, hold paths or be too long to read', async () => {
  const long = `${'l'.repeat(150)}.bin`
  const expected = ['a:ads.bin', '-dash.bin', 'new_line.bin', 'slash.bin', 'älatin1.bin', long].sort()
  for (const bytes of [cuckoo12Names, cuckoo20Names]) {
    assert.deepEqual((await list(bytes)).map(([name]) => name).sort(), expected)
  }
})

test('bytes that are still being written to the disk are not overwritten by those that are decoded meanwhile', async () => {
  const chunks: Buffer[] = []
  for await (const chunk of bigArchive({ files: 3, bytesEach: 1_500_000, compression: 'bz2' })) chunks.push(chunk)
  const digests = await withFile(Buffer.concat(chunks), async file => {
    const seen: string[][] = []
    for await (const entry of openArchive(file)) {
      const staged = await stageEntry(entry, folder, memory)
      const digest = createHash('md5')
      for await (const chunk of staged.open()) digest.update(chunk)
      seen.push([staged.md5, digest.digest('hex')])
      await staged[Symbol.asyncDispose]()
    }
    return seen
  })
  assert.equal(digests.length, 3)
  for (const [decoded, written] of digests) assert.equal(decoded, written)
})

test('an archive without files is no error', async () => {
  for (const bytes of [cuckoo12NoEntries, cuckoo12NoFiles, Buffer.alloc(10_240), gzipSync(Buffer.alloc(1024))]) {
    assert.deepEqual(await list(bytes), [])
  }
})

test('what is no archive is refused by what it is', async () => {
  await assert.rejects(list(Buffer.from('<html>Not found</html>')), archiveError('unknown-format', 0))
  await assert.rejects(list(Buffer.alloc(0)), archiveError('unknown-format', 0))
})

test('a truncated archive is an error wherever it ends', async () => {
  for (let length = 3; length < cuckoo12.length; length += 61) {
    await assert.rejects(list(cuckoo12.subarray(0, length)), archiveError('corrupt'), `bzip2, ${length} bytes`)
  }
  for (let length = 2; length < cuckoo20Gzip.length; length += 61) {
    await assert.rejects(list(cuckoo20Gzip.subarray(0, length)), archiveError('corrupt'), `gzip, ${length} bytes`)
  }
  const tar = gunzipSync(cuckoo20Gzip)
  await assert.rejects(list(tar.subarray(0, 512 + 512 + 20)), archiveError('corrupt', 1))
})

test('a damaged bzip2 stream is found out', async () => {
  for (const at of [4, 12, 60, 300, 500, cuckoo12.length - 3]) {
    const damaged = Buffer.from(cuckoo12)
    damaged[at] = (damaged[at] ?? 0) ^ 0x10
    await assert.rejects(list(damaged), archiveError('corrupt'), `byte ${at}`)
  }
})

test('a file that nobody reads, or only in part, does not stop the next', async () => {
  const big = Buffer.alloc(700_000, 'x')
  const tar = await tarOf([
    ['files/1/a', big],
    ['files/1/b', big],
    ['files/1/c', Buffer.from('c')],
  ])
  const names = await withFile(tar, async file => {
    const seen: string[] = []
    for await (const entry of openArchive(file)) {
      seen.push(entry.name)
      if (entry.name === 'b') for await (const chunk of entry.stream()) if (chunk.length > 0) break
      if (entry.name === 'c') seen.push((await stageEntry(entry, folder, memory)).md5)
    }
    return seen
  })
  assert.deepEqual(names, ['a', 'b', 'c', md5('c')])
})

test('limits stop an archive that unpacks to more than is wanted', async () => {
  const tar = await tarOf([
    ['a', Buffer.alloc(5000)],
    ['b', Buffer.alloc(10)],
    ['c', Buffer.alloc(10)],
  ])
  await assert.rejects(list(tar, { maxEntries: 2 }), archiveError('limit', 2))
  await assert.rejects(list(gzipSync(tar), { maxTotalBytes: 6000 }), archiveError('limit'))
  await assert.rejects(list(tar, { maxEntryBytes: 4999 }), archiveError('entry-too-large', 1))
})

test('a file that is too large can be passed over', async () => {
  const tar = await tarOf([
    ['a', Buffer.alloc(5000)],
    ['b', Buffer.from('b')],
  ])
  const read = await withFile(tar, async file => {
    const seen: string[] = []
    for await (const entry of openArchive(file, { maxEntryBytes: 1000 })) {
      if (entry.size <= 1000) seen.push((await stageEntry(entry, folder, memory)).md5)
    }
    return seen
  })
  assert.deepEqual(read, [md5('b')])
})

test('an abort ends the iteration with its reason', async () => {
  for (const bytes of [cuckoo12, cuckoo20Gzip]) {
    const stop = new AbortController()
    const reason = new Error('stopped')
    await withFile(bytes, async file => {
      await assert.rejects(async () => {
        for await (const entry of openArchive(file, { signal: stop.signal })) {
          assert.ok(entry.name.length > 0)
          stop.abort(reason)
        }
      }, reason)
    })
  }
})

test('an iteration that is left leaves nothing behind', async () => {
  await withFile(cuckoo12, async file => {
    for await (const entry of openArchive(file)) if (entry.size > 0) break
  })
  assert.deepEqual(await readdir(folder), [])
})

/** A tar archive, block by block, as Python's tarfile writes it. */
function header(name: string, size: number, type: string, link = ''): Buffer {
  const block = Buffer.alloc(512)
  block.write(name)
  block.write('0000644\x000000000\x000000000\x00', 100)
  block.write(`${size.toString(8).padStart(11, '0')}\x0013000000000\x00        ${type}${link}`, 124)
  block.write('ustar  \x00', 257)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\x00 `, 148)
  return block
}
const member = (name: string, text: string) =>
  Buffer.concat([header(name, text.length, '0'), Buffer.from(text.padEnd(512, '\0'))])
const END = Buffer.alloc(1024)

test('a second name of a file, as tarfile writes a hard link, is an entry that names the first', async () => {
  const bytes = Buffer.concat([
    member('files/1/one.txt', 'one'),
    header('files/2/two.txt', 0, '1', 'files/1/one.txt'),
    END,
  ])
  await withFile(bytes, async file => {
    const found: unknown[] = []
    for await (const { name, path, secondNameOf } of openArchive(file)) found.push([name, path, secondNameOf])
    assert.deepEqual(found, [
      ['one.txt', 'files/1/one.txt', undefined],
      ['two.txt', 'files/2/two.txt', 'files/1/one.txt'],
    ])
  })
})

for (const [kind, pack] of [
  ['plain', (bytes: Buffer) => bytes],
  ['gzip', (bytes: Buffer) => gzipSync(bytes)],
] as const) {
  test(`bytes behind the end of an archive are ignored, whatever they are and however many (${kind})`, async () => {
    const files = [member('a', 'one'), member('b', '\0'.repeat(512))]
    const tails = ['x', 'bytes after the end '.repeat(20), 'x'.repeat(200_000), `${'\0'.repeat(9000)}tail`.repeat(9)]
    for (const tail of tails) {
      const found = await list(pack(Buffer.concat([...files, END, Buffer.from(tail)])))
      assert.deepEqual(
        found.map(([name]) => name),
        ['a', 'b'],
        tail.slice(0, 30),
      )
    }
  })
}

test('damage before the end is no end', async () => {
  await assert.rejects(list(Buffer.concat([member('a', 'one'), Buffer.alloc(512, 'x'), END])), archiveError('corrupt'))
  await assert.rejects(list(member('a', 'one').subarray(0, 700)), archiveError('corrupt'))
  await assert.rejects(
    list(Buffer.concat([member('a', ''), member('b', 'x').subarray(0, 600)])),
    archiveError('corrupt'),
  )
})

test('an empty archive is called empty', async () => {
  await assert.rejects(list(Buffer.alloc(0)), /the archive is empty \(0 bytes\)/)
})
