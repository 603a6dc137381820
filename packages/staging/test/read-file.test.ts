import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { readAt, readFile, readHead, sizeOf } from '../src/index.js'

const bytes = randomBytes(150_000)

async function opened(t: TestContext): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'read-test-'))
  await writeFile(join(folder, 'a'), bytes)
  const file = await open(join(folder, 'a'))
  t.after(async () => {
    await file.close()
    await rm(folder, { recursive: true })
  })
  return file.fd
}

test('a file is read from its beginning to its end, as often as one likes', async t => {
  const fd = await opened(t)
  assert.equal(await sizeOf(fd), bytes.length)
  for (let time = 0; time < 2; time += 1) {
    const chunks: Buffer[] = []
    for await (const chunk of readFile(fd)) chunks.push(chunk)
    assert.ok(Buffer.concat(chunks).equals(bytes))
  }
})

test('the reading of a file ends with the reason of its signal', async t => {
  const fd = await opened(t)
  const stop = new AbortController()
  const chunks = readFile(fd, stop.signal)
  assert.equal((await chunks.next()).done, false)
  stop.abort(new Error('enough'))
  await assert.rejects(chunks.next(), /enough/)
})

test('a part of a file is as long as it is asked for, or as the file allows', async t => {
  const fd = await opened(t)
  assert.deepEqual(await readHead(fd, 100), bytes.subarray(0, 100))
  assert.deepEqual(await readHead(fd, bytes.length), bytes)
  assert.deepEqual(await readHead(fd, bytes.length + 1), bytes)
  assert.deepEqual(await readAt(fd, 100_000, 40_000), bytes.subarray(100_000, 140_000))
  assert.deepEqual(await readAt(fd, bytes.length - 1, 10), bytes.subarray(-1))
  assert.deepEqual(await readAt(fd, bytes.length, 10), Buffer.alloc(0))
})
