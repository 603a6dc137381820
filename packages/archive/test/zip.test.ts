import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, before, test } from 'node:test'
import { type StagedFile, stageArchive, stageEntry } from '@cuckoo-distributed/staging'
import { ArchiveError, type ArchiveOptions, openArchive } from '../src/index.js'
import { hostileZip, type ZipMember } from './hostile-zip.js'
import * as zips from './zips.js'

let folder = ''
const memory = Buffer.alloc(1_048_576)
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zip-test-'))
})
after(() => rm(folder, { recursive: true }))

const PASSWORD = 'infected'

async function withFile<T>(bytes: Buffer, use: (file: StagedFile) => Promise<T>): Promise<T> {
  await using file = await stageArchive(Readable.from([bytes]), folder, { maxBytes: 1e9 })
  return await use(file)
}

const list = (bytes: Buffer, options: ArchiveOptions = { password: PASSWORD }): Promise<[string, number, string][]> =>
  withFile(bytes, async file => {
    const found: [string, number, string][] = []
    for await (const entry of openArchive(file, options)) {
      await using staged = await stageEntry(entry, folder, memory)
      assert.equal(staged.size, entry.size)
      found.push([staged.name, staged.size, staged.md5])
    }
    return found
  })

const digest = (name: string, bytes: Buffer | string): string => createHash(name).update(bytes).digest('hex')
const member = (name: string, content: Buffer | string, rest: Partial<ZipMember> = {}): ZipMember => ({
  name: Buffer.from(name),
  content: Buffer.from(content),
  ...rest,
})

const archiveError =
  (code: string, message = /./, entries?: number) =>
  (error: unknown): boolean =>
    error instanceof ArchiveError &&
    error.code === code &&
    message.test(error.message) &&
    (entries === undefined || error.entries === entries)

const CONTENTS = ['', 'dropped one\n', Buffer.concat([Buffer.from('MZ'), Buffer.alloc(1022)])]
const EXPECTED = CONTENTS.map(content => [digest('sha256', content), content.length, digest('md5', content)])

for (const [how, bytes] of Object.entries({
  'by Info-ZIP, folder included': zips.plain,
  'by Info-ZIP, stored': zips.stored,
  'by Info-ZIP with ZipCrypto': zips.zipCrypto,
  'by 7-Zip with AES-256': zips.aes256,
  'by 7-Zip with AES-128, stored': zips.aes128Stored,
  'with 64-bit sizes': zips.zip64,
  'into a stream, sizes behind the files': zips.streamed,
})) {
  test(`an archive made ${how} holds its files, bytes and names`, async () => {
    assert.deepEqual((await list(bytes)).sort(), [...EXPECTED].sort())
  })
}

test('archives of CAPE name each file by its SHA-256, plain as well as with AES', async () => {
  for (const [bytes, count] of [
    [zips.capePlain, 3],
    [zips.capeAes, 3],
    [zips.capePayloads, 2],
  ] as const) {
    await withFile(bytes, async file => {
      let found = 0
      for await (const entry of openArchive(file, { password: PASSWORD })) {
        const hash = createHash('sha256')
        for await (const chunk of entry.stream()) hash.update(chunk)
        assert.equal(entry.name, hash.digest('hex'))
        assert.match(entry.path, /^(files|CAPE)\//)
        found += 1
      }
      assert.equal(found, count)
    })
  }
})

test('an archive without files is no error', async () => {
  assert.deepEqual(await list(zips.capeNoFiles), [])
})

test('pictures of Cuckoo, stored without compression', async () => {
  const [picture, ...more] = await list(zips.cuckooScreenshots, {})
  assert.deepEqual([picture?.[0], picture?.[1], more.length], ['0001.jpg', 20, 0])
})

for (const [how, bytes] of Object.entries({
  AES: zips.aes256,
  ZipCrypto: zips.zipCrypto,
  'AES of CAPE': zips.capeAes,
})) {
  test(`another password, or none, is told as that (${how})`, async () => {
    await assert.rejects(list(bytes, { password: 'virus' }), archiveError('password', /another password/, 1))
    await assert.rejects(list(bytes, {}), archiveError('password', /needs a password/, 1))
    await assert.rejects(list(bytes, { password: '' }), archiveError('password', /needs a password/, 1))
  })
}

test('what is compressed in another way is refused by its name', async () => {
  await assert.rejects(list(zips.aesLzma), archiveError('unsupported', /compressed with LZMA \(14\)/))
  await assert.rejects(list(zips.bzip2), archiveError('unsupported', /compressed with bzip2 \(12\)/))
  const unknown = hostileZip([member('a', 'a', { method: 77 })])
  await assert.rejects(list(unknown), archiveError('unsupported', /an unknown method \(77\)/))
  const strong = hostileZip([member('a', 'a'.repeat(40), { method: 0, flags: 0x41 })])
  await assert.rejects(list(strong), archiveError('unsupported', /encrypted in a way that is not supported/))
})

test('names chosen by malware cannot break lines, hold paths or be too long to read', async () => {
  const names = ['../../etc/passwd', '/etc/shadow', 'C:\\windows\\a.exe', 'new\nline', '..', `${'l'.repeat(300)}`]
  const latin1: ZipMember = { name: Buffer.from('files/\xe4.bin', 'latin1'), content: Buffer.from('x') }
  const found = await list(hostileZip([...names.map(name => member(name, 'x')), latin1]))
  assert.deepEqual(
    found.map(([name]) => name),
    ['passwd', 'shadow', 'a.exe', 'new_line', '_', 'l'.repeat(255), 'ä.bin'],
  )
})

test('namesakes are all there; folders and links are not', async () => {
  const found = await list(
    hostileZip([
      member('a', 'one'),
      member('a', 'two'),
      member('link', '/etc/passwd', { mode: 0o120777 }),
      member('folder/', ''),
      member('folder', '', { mode: 0o040755 }),
    ]),
  )
  assert.deepEqual(
    found.map(([name, , md5]) => [name, md5]),
    [
      ['a', digest('md5', 'one')],
      ['a', digest('md5', 'two')],
    ],
  )
})

test('a truncated archive is an error wherever it ends', async () => {
  for (const bytes of [zips.plain, zips.aes256, zips.zip64]) {
    for (let length = 2; length < bytes.length; length += 23) {
      await assert.rejects(list(bytes.subarray(0, length)), archiveError('corrupt'), `${length} bytes`)
    }
  }
})

test('damage never changes a file unnoticed', async () => {
  const known = new Set(EXPECTED.map(([, , md5]) => md5))
  for (const bytes of [zips.plain, zips.zipCrypto, zips.aes256]) {
    for (let at = 0; at < bytes.length; at += 11) {
      const damaged = Buffer.from(bytes)
      damaged[at] = (damaged[at] ?? 0) ^ 0x10
      const found = await list(damaged).catch((error: unknown) => {
        assert.ok(error instanceof ArchiveError, String(error))
        return []
      })
      for (const [, , md5] of found) assert.ok(known.has(md5), `byte ${at}`)
    }
  }
})

test('limits stop an archive that holds more than is wanted', async () => {
  const bytes = hostileZip([member('a', Buffer.alloc(5000)), member('b', 'b'.repeat(10)), member('c', 'c')])
  await assert.rejects(list(bytes, { maxEntries: 2 }), archiveError('limit', /more than 2 files/, 2))
  await assert.rejects(list(bytes, { maxTotalBytes: 5005 }), archiveError('limit', /more than 5005 bytes/, 2))
  await assert.rejects(list(bytes, { maxEntryBytes: 4999 }), archiveError('entry-too-large', /5000 bytes/, 1))
})

test('a file that is too large can be passed over, and costs nothing', async () => {
  const bytes = hostileZip([member('a', Buffer.alloc(5000)), member('b', 'b')])
  const read = await withFile(bytes, async file => {
    const seen: string[] = []
    for await (const entry of openArchive(file, { maxEntryBytes: 1000, maxTotalBytes: 1 })) {
      if (entry.size <= 1000) seen.push((await stageEntry(entry, folder, memory)).md5)
    }
    return seen
  })
  assert.deepEqual(read, [digest('md5', 'b')])
})

test('a bomb is stopped at the limit: many names for the same bytes, or more bytes than the directory says', async () => {
  const zeros = Buffer.alloc(1_000_000)
  const again = Array.from({ length: 40 }, (_, at) => member(`a${at}`, zeros, { offset: 0 }))
  const overlapping = hostileZip([member('a', zeros), ...again])
  await assert.rejects(list(overlapping, { maxTotalBytes: 2_500_000 }), archiveError('limit'))
  await assert.rejects(list(hostileZip([member('a', zeros, { size: 10 })])), archiveError('corrupt'))
})

test('a directory that is no small part of a large file is not read into memory', async () => {
  const large = Buffer.concat([Buffer.from('PK\x03\x04'), Buffer.alloc(40_000_000)])
  const end = hostileZip([], { files: 2, bytes: 40_000_000, offset: 4 })
  await assert.rejects(list(Buffer.concat([large, end])), archiveError('limit', /its directory has 40000000 bytes/))
})

test('a file that nobody reads, or only in part, does not stop the next', async () => {
  const big = Buffer.alloc(700_000, 'x')
  const bytes = hostileZip([member('a', big), member('b', big, { method: 0 }), member('c', 'c')])
  const names = await withFile(bytes, async file => {
    const seen: string[] = []
    for await (const entry of openArchive(file)) {
      seen.push(entry.name)
      if (entry.name === 'b') for await (const chunk of entry.stream()) if (chunk.length > 0) break
      if (entry.name === 'c') seen.push((await stageEntry(entry, folder, memory)).md5)
    }
    return seen
  })
  assert.deepEqual(names, ['a', 'b', 'c', digest('md5', 'c')])
})

test('no archive waits for another one that is read slowly', async () => {
  const bytes = hostileZip([member('a', Buffer.alloc(2_000_000, 'x'))])
  await withFile(bytes, async file => {
    const begun = []
    for (let count = 0; count < 40; count += 1) {
      for await (const entry of openArchive(file)) {
        const chunks = entry.stream()[Symbol.asyncIterator]()
        assert.equal((await chunks.next()).done, false)
        begun.push(chunks)
      }
    }
    for (const chunks of begun) await chunks.return?.()
  })
})

test('an abort ends the iteration, and the reading of a file, with its reason', async () => {
  for (const where of ['entry', 'chunk'] as const) {
    const stop = new AbortController()
    const reason = new Error('stopped')
    let chunks = 0
    await withFile(hostileZip([member('a', Buffer.alloc(700_000)), member('b', 'b')]), async file => {
      await assert.rejects(async () => {
        for await (const entry of openArchive(file, { signal: stop.signal })) {
          if (where === 'entry') stop.abort(reason)
          else
            for await (const _chunk of entry.stream()) {
              chunks += 1
              stop.abort(reason)
            }
        }
      }, reason)
      assert.equal(chunks, where === 'chunk' ? 1 : 0)
    })
  }
  assert.deepEqual(await readdir(folder), [])
})
