import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import test from 'node:test'
import { gunzipSync } from 'node:zlib'
import { bigArchive, type Compression, collect, compress, tar } from '../src/archive/index.js'
import { bunzip2, members } from './archives.js'

/** The body of a Cuckoo 1.2's answer to /tasks/report/<id>/dropped with hostile file names. */
const GENUINE = [
  'QlpoOTFBWSZTWYSJKlwAAzP/sc+QAEBAA//ybYTYFH/vnoAQAAQABAAgCEABzm1qtbCKSkeUaGnpBoDRggPU9NGpp6jBBJIBSflRo9TymgaAAB',
  '6gPUGgYAAAAAAAAAABFQJkRD1AGmmgAAAABaI77upLw3LJZMHQwMN0WYnzyFDRXX+6uEKAUA3d7Ln0akJGicISrirUarFEjBc1kYLUvpCE0aou',
  'BsoxQAkAh9REZC/IsVVL9zU2WiLr9Wfnw6cKTf0OQmfCZKeyK6QwgE+CFIREpqqqqz2aJJ2i0hXCFlxROZGMmBkjnQnmJepLlbxMeSZIozI0E3',
  'Ch5OKoTEmit1TwIPCzIkLs5Ml34lLsS9GyNDGheQSeQWwPiKDqwfsAWkNKg1So84UpUSsZiglrNRKRYhEJEipPTGxEyoxJkqN6NSq5C6QXuBcW',
  'CgxUqVJpw4YzEB5EifFrMjX8PXvggxYTNb99lgs+mCb1GkvR4y18c4sUb7eLTFEREoZj6NYq4W0Vylkz50/tQl9xMBiLbcQLmj+jpSt8iFEQ2F',
  '7EddHVzfAtD8/hbCOsLM/hbtLAXGCg/4u5IpwoSEJElS4A',
].join('')
/** The same server's answer when nothing was dropped and there is no `files` directory. */
const GENUINE_EMPTY = '425a6839314159265359597bb8e40000145000c00004000008200030cc0529a61362278bb9229c28482cbddc7200'

test('an empty archive is the one that a genuine Cuckoo sends', async () => {
  const packed = await collect(compress(tar([]), 'bz2'))
  assert.equal(packed.toString('hex'), GENUINE_EMPTY)
})

test('the members of a genuine archive, packed again, give the same tar', async () => {
  const genuine = bunzip2(Buffer.from(GENUINE, 'base64'))
  const found = await members(genuine)
  assert.ok(
    found.some(({ name }) => name.length > 150),
    'a LongLink name',
  )
  assert.ok(
    found.some(({ name }) => name.includes('\xe4latin1')),
    'a name that is not UTF-8',
  )
  const again = await collect(
    tar(
      found.map(({ name, type, content }) => {
        const directory = type === 'directory' && !name.endsWith('/') ? '/' : ''
        return { name: Buffer.from(name + directory, 'latin1'), content }
      }),
    ),
  )
  // Modification times, and with them the checksums, are the only difference.
  assert.deepEqual(withoutTimes(again), withoutTimes(genuine))
})

function withoutTimes(archive: Buffer): Buffer {
  const copy = Buffer.from(archive)
  for (let at = 0; at + 512 <= copy.length; at += 512) {
    if (copy.toString('latin1', at + 257, at + 262) === 'ustar') copy.fill(0, at + 136, at + 156)
  }
  return copy
}

test('a streamed tar member that is shorter than its size is an error', async () => {
  const short = {
    name: 'a',
    size: 3,
    content: (async function* () {
      yield Buffer.from('ab')
    })(),
  }
  await assert.rejects(collect(tar([short])), /got 2 bytes, size says 3/)
})

test('a big archive holds the same files, all different, in every compression', async () => {
  const digests = new Map<Compression, string[]>()
  for (const compression of ['none', 'gz', 'bz2'] as const) {
    const packed = await collect(bigArchive({ files: 9, bytesEach: 3001, compression, seed: 5 }))
    const archive = compression === 'gz' ? gunzipSync(packed) : compression === 'bz2' ? bunzip2(packed) : packed
    assert.equal(archive.length % 10_240, 0)
    const files = (await members(archive)).filter(({ type }) => type === 'file')
    assert.ok(files.every(({ content }) => content.length === 3001))
    digests.set(
      compression,
      files.map(({ content }) => createHash('md5').update(content).digest('hex')),
    )
  }
  assert.equal(new Set(digests.get('none')).size, 9)
  assert.deepEqual(digests.get('gz'), digests.get('none'))
  assert.deepEqual(digests.get('bz2'), digests.get('none'))
})
