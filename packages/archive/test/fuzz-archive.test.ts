// Archives that malware, or a broken disk, had a hand in: files as they are, harmless names, or an error that is known.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { StagingError, stageArchive, stageEntry } from '@cuckoo-distributed/staging'
import { collect, compress, fuzzing } from '@cuckoo-distributed/testing'
import fc from 'fast-check'
import { ArchiveError, openArchive } from '../src/index.js'
import { hostileTar, longName, type Member, paxName } from './hostile-tar.js'
import { hostileZip, type ZipMember } from './hostile-zip.js'

const LIMITS = { maxEntries: 20, maxEntryBytes: 5000, maxTotalBytes: 100_000 }
const memory = Buffer.alloc(2000)
let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'archive-fuzz-'))
})
after(() => rm(folder, { recursive: true }))

interface Found {
  readonly name: string
  readonly size: number
  readonly md5: string
}

/** Reads an archive as parse_and_submit does: what it holds, and why it ended early. */
async function read(bytes: Buffer): Promise<{ found: Found[]; error: unknown }> {
  const found: Found[] = []
  const staged = await stageArchive(Readable.from([bytes]), folder, { maxBytes: 1e9 })
  try {
    for await (const entry of openArchive(staged, LIMITS)) {
      const file = await stageEntry(entry, folder, memory)
      found.push({ name: file.name, size: file.size, md5: file.md5 })
      await file[Symbol.asyncDispose]()
    }
    return { found, error: undefined }
  } catch (error: unknown) {
    return { found, error }
  } finally {
    await staged[Symbol.asyncDispose]()
  }
}

function assertHarmless({ found, error }: Awaited<ReturnType<typeof read>>): void {
  assert.ok(error === undefined || error instanceof ArchiveError || error instanceof StagingError, String(error))
  assert.ok(found.length <= LIMITS.maxEntries)
  for (const { name, size } of found) {
    assert.ok(name.length > 0 && name.length <= 255 && name === name.toWellFormed() && !/^\.\.?$/.test(name), name)
    assert.doesNotMatch(name, /[/\\\p{Cc}\u2028\u2029]/u)
    assert.ok(size <= LIMITS.maxEntryBytes)
  }
}

const part = fc.oneof(
  fc.constantFrom(
    '../',
    '/',
    'files/1/',
    'files/0123456789abcdef_',
    '"',
    "'",
    '\n',
    '\r',
    '\\',
    '..',
    '.',
    '\u2028',
    'ä',
  ),
  fc.constantFrom('C:\\', 'a.exe', '%00', '<b>', ';rm -rf', 'x'.repeat(300)),
)
const name = fc.oneof(
  fc.array(part, { maxLength: 5 }).map(parts => Buffer.from(parts.join(''))),
  fc.uint8Array({ maxLength: 120 }).map(array => Buffer.from(array)),
)
const content = fc.uint8Array({ maxLength: 3000, size: '+1' }).map(array => Buffer.from(array))
const file = fc.record({ type: fc.constantFrom('0', '7'), name, content })
const other = fc.record({
  type: fc.constantFrom(...'12356SVxgKLM'),
  name,
  content,
  linkName: fc.constantFrom('/etc/passwd', '../../x', ''),
})
const bomb = fc.record({
  type: fc.constantFrom('0', '5', 'x', 'L'),
  name,
  content,
  size: fc.constantFrom(0, 1, 4999, 5001, 2 ** 31, 8 ** 11 - 1),
})
const named = fc.tuple(fc.constantFrom(paxName, longName), name, file).map(([how, path, member]) => [how(path), member])
const members = fc
  .array(fc.oneof({ weight: 4, arbitrary: fc.tuple(file) }, named, fc.tuple(other), fc.tuple(bomb)), { maxLength: 8 })
  .map((groups: Member[][]) => groups.flat())

const pack = fc.constantFrom('none', 'none', 'none', 'gz', 'gz', 'bz2')

async function packed(tar: Buffer, how: string): Promise<Buffer> {
  return how === 'gz' ? gzipSync(tar, { level: 1 }) : how === 'bz2' ? collect(compress([tar], 'bz2')) : tar
}

test('any archive gives files with harmless names within the limits, or an error that is known', async t => {
  const damage = fc.record({
    bytes: fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }),
    cut: fc.option(fc.nat(), { freq: 3 }),
  })
  const property = fc.asyncProperty(members, pack, damage, async (written, how, { bytes, cut }) => {
    const archive = Buffer.from(await packed(hostileTar(written), how))
    for (const [at, byte] of bytes) archive[at % archive.length] = byte
    assertHarmless(await read(cut === null ? archive : archive.subarray(0, cut % archive.length)))
  })
  await fc.assert(property, fuzzing(t, 150))
  assert.deepEqual(await readdir(folder), [])
})

test('of an archive in order all files come as they are, and nothing else does: no link, folder or header', async t => {
  const links = fc.record({
    type: fc.constantFrom(...'12356'),
    name,
    content: fc.constant(Buffer.alloc(0)),
    linkName: fc.constant('/etc/passwd'),
  })
  const inOrder = fc
    .array(fc.oneof(fc.tuple(file), fc.tuple(links), named), { maxLength: 8 })
    .map((groups: Member[][]) => groups.flat())
  const property = fc.asyncProperty(inOrder, pack, async (written, how) => {
    const result = await read(await packed(hostileTar(written), how))
    assertHarmless(result)
    assert.equal(result.error, undefined)
    const files = written.filter(({ type }) => type === '0' || type === '7')
    const expected = files.map(member => [
      member.content.length,
      createHash('md5').update(member.content).digest('hex'),
    ])
    assert.deepEqual(
      result.found.map(({ size, md5 }) => [size, md5]),
      expected,
    )
  })
  await fc.assert(property, fuzzing(t, 150))
})

const zipMember: fc.Arbitrary<ZipMember> = fc.record({
  name,
  content,
  method: fc.constantFrom(0, 8, 8, 8, 14, 99),
  size: fc.constantFrom(undefined, undefined, undefined, 0, 1, 5001, 2 ** 32 - 1),
  crc: fc.constantFrom(undefined, undefined, undefined, 1),
  offset: fc.constantFrom(undefined, undefined, undefined, 0, 5, 2 ** 32 - 1),
  flags: fc.constantFrom(0, 0, 0, 1, 8, 0x41, 0x800),
  mode: fc.constantFrom(undefined, undefined, 0o120777, 0o040755, 0),
})
const zipEnd = fc.record(
  {
    files: fc.constantFrom(0, 1, 3, 65_535),
    bytes: fc.constantFrom(0, 1, 46, 2 ** 32 - 1),
    offset: fc.constantFrom(0, 1, 2 ** 31, 2 ** 32 - 1),
  },
  { requiredKeys: [] },
)

test('any zip gives files with harmless names within the limits, or an error that is known', async t => {
  const damage = fc.record({
    bytes: fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }),
    cut: fc.option(fc.nat(), { freq: 3 }),
    end: fc.option(zipEnd, { freq: 2, nil: {} }),
  })
  const members = fc.array(zipMember, { maxLength: 6 })
  const property = fc.asyncProperty(members, damage, async (written, { bytes, cut, end }) => {
    const archive = hostileZip(written, end)
    for (const [at, byte] of bytes) archive[at % archive.length] = byte
    assertHarmless(await read(cut === null ? archive : archive.subarray(0, cut % archive.length)))
  })
  await fc.assert(property, fuzzing(t, 150))
  assert.deepEqual(await readdir(folder), [])
})

test('of a zip in order all files come as they are, and nothing else does', async t => {
  const inOrder = fc.array(fc.record({ name, content, method: fc.constantFrom(0, 8) }), { maxLength: 8 })
  const property = fc.asyncProperty(inOrder, async written => {
    const result = await read(hostileZip(written))
    assertHarmless(result)
    assert.equal(result.error, undefined)
    const files = written.filter(member => member.name.at(-1) !== 0x2f)
    assert.deepEqual(
      result.found.map(({ size, md5 }) => [size, md5]),
      files.map(member => [member.content.length, createHash('md5').update(member.content).digest('hex')]),
    )
  })
  await fc.assert(property, fuzzing(t, 150))
})

test('an archive of 10,000 files is read to its end, within the memory of one', async () => {
  const member = (index: number): Member => ({
    type: '0',
    name: Buffer.from(`files/${index}/../"\n${index}`),
    content: Buffer.from(`${index}`),
  })
  const archive = gzipSync(hostileTar(Array.from({ length: 10_000 }, (_, index) => member(index))), { level: 1 })
  const staged = await stageArchive(Readable.from([archive]), folder, { maxBytes: 1e9 })
  let count = 0
  for await (const entry of openArchive(staged)) {
    assert.equal(entry.name, `"_${count}`)
    count += 1
  }
  await staged[Symbol.asyncDispose]()
  assert.equal(count, 10_000)
})

test('a bomb is stopped at the limit, not at the end of its gigabyte', async () => {
  const zeros = gzipSync(Buffer.alloc(50_000_000))
  const gigabyte = Buffer.concat(Array.from({ length: 20 }, () => zeros))
  const { error } = await read(
    Buffer.concat([
      gzipSync(hostileTar([{ type: '0', name: Buffer.from('a'), content: Buffer.alloc(10) }]).subarray(0, 1024)),
      gigabyte,
    ]),
  )
  assert.ok(error instanceof ArchiveError && error.code === 'limit', String(error))
})

test('a folder that claims to have content does not end the reading, nor keep it waiting', async () => {
  const folderOf = (size: number): Member => ({ type: '5', name: Buffer.from('d/'), content: Buffer.alloc(0), size })
  const kept: Member = { type: '0', name: Buffer.from('d/a'), content: Buffer.from('a') }
  const { found, error } = await read(hostileTar([folderOf(1), kept, folderOf(8 ** 11 - 1), kept]))
  assert.equal(error, undefined)
  assert.deepEqual(
    found.map(({ name }) => name),
    ['a', 'a'],
  )
})
