import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { base64Sample } from '../src/base64.js'
import { SampleOnDemand } from '../src/sample.js'

const MIB = 1024 * 1024
/** Bytes that are decoded at a time. */
const PIECE = 90 * 1024

for (const length of [1, PIECE - 1, PIECE, PIECE + 1, MIB, MIB + 1, 12 * PIECE + 2]) {
  test(`of ${length} bytes size, MD5 and content are right, as often as they are asked for`, async () => {
    const bytes = randomBytes(length)
    const text = Buffer.from(bytes.toString('base64'))
    const before = Buffer.from(text)
    const digest = createHash('md5').update(bytes).digest('hex')
    for (const hashed of [true, false]) {
      const sample = await base64Sample(text, 'file.data', { hashed })
      assert.equal(sample.size, length)
      for (let time = 0; time < 2; time += 1) {
        const chunks: Buffer[] = []
        for await (const chunk of sample.open()) chunks.push(chunk)
        assert.ok(Buffer.concat(chunks).equals(bytes))
        assert.equal(await sample.md5(), digest)
      }
    }
    assert.ok(text.equals(before))
  })
}

test('a sample of up to a MiB is decoded once, a larger one is never held as a whole', async () => {
  for (const [length, pieces] of [
    [MIB, 1],
    [MIB + 1, 12],
  ] as const) {
    const sample = await base64Sample(Buffer.from(Buffer.alloc(length).toString('base64')), 'f', { hashed: false })
    let count = 0
    for await (const chunk of sample.open()) count += chunk.length > 0 ? 1 : 0
    assert.equal(count, pieces)
  }
})

test('what is wrong is found in every piece, and named by its place', async () => {
  const good = Buffer.from(Buffer.alloc(3 * PIECE, 0xff).toString('base64'))
  for (const [at, place] of [
    [0, /within characters 0 to 122880/],
    [122_879, /within characters 0 to 122880/],
    [122_880, /within characters 122880 to 245760/],
    [good.length - 1, /within characters 245760 to 368640/],
  ] as const) {
    const text = Buffer.from(good)
    text[at] = 0x2a
    await assert.rejects(base64Sample(text, 'file.data', { hashed: true }), place)
    text[at] = 0x5f
    await assert.rejects(base64Sample(text, 'file.data', { hashed: true }), /alphabet: it contains "-" or "_"/)
  }
})

test('a long check lets other work have its turn', async () => {
  const text = Buffer.from(Buffer.alloc(9 * PIECE).toString('base64'))
  let turns = 0
  setImmediate(() => {
    turns += 1
  })
  await base64Sample(text, 'file.data', { hashed: false })
  assert.equal(turns, 1)
})

test('a sample that could not be read is read again, one that could is not; it is disposed of with its reader', async () => {
  let [reads, disposals] = [0, 0]
  const read = async () => {
    reads += 1
    if (reads === 1) throw new Error('CRITs is away')
    const sample = await base64Sample(Buffer.from('TVo='), 'file.data', { hashed: false })
    return Object.assign(sample, {
      async [Symbol.asyncDispose]() {
        disposals += 1
      },
    })
  }
  {
    await using sample = new SampleOnDemand(read)
    await assert.rejects(sample.get(), /away/)
    assert.equal(await sample.get(), await sample.get())
    assert.equal(reads, 2)
  }
  assert.equal(disposals, 1)
  const unread = new SampleOnDemand(read)
  await unread[Symbol.asyncDispose]()
  assert.equal(reads, 2)
})
