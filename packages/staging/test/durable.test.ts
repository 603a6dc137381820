import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { spyOnFiles } from '@cuckoo-distributed/testing'
import { isHalfWritten, writeDurably } from '../src/index.js'

async function directory(t: TestContext): Promise<string> {
  const parent = await mkdtemp(join(tmpdir(), 'durable-test-'))
  t.after(() => rm(parent, { recursive: true, force: true }))
  await mkdir(join(parent, 'dir'))
  return join(parent, 'dir')
}

test('a file is on disk before it has its name, and the name before it is told', async t => {
  const dir = await directory(t)
  const { steps, note } = await spyOnFiles(t)
  await writeDurably(join(dir, 'a'), [Buffer.from('x'), Buffer.from('y')])
  note('told')
  assert.deepEqual(steps, ['write .tmp-ID', 'write .tmp-ID', 'sync .tmp-ID', 'rename .tmp-ID a', 'sync dir', 'told'])
  assert.equal(await readFile(join(dir, 'a'), 'utf8'), 'xy')
})

test('a file is for its owner only, and replaces an older one', async t => {
  const dir = await directory(t)
  for (const content of ['long', 'x']) await writeDurably(join(dir, 'a'), [Buffer.from(content)])
  assert.equal(await readFile(join(dir, 'a'), 'utf8'), 'x')
  assert.equal((await stat(join(dir, 'a'))).mode & 0o777, 0o600)
})

test('what fails leaves nothing behind, whether the content or the name cannot be had', async t => {
  const dir = await directory(t)
  const broken = function* () {
    yield Buffer.from('x')
    throw new Error('broken content')
  }
  const descriptors = readdirSync('/proc/self/fd')
  await assert.rejects(writeDurably(join(dir, 'a'), broken()), /broken content/)
  assert.deepEqual(await readdir(dir), [])
  await mkdir(join(dir, 'taken'))
  await assert.rejects(writeDurably(join(dir, 'taken'), [Buffer.from('x')]), { syscall: 'rename' })
  assert.deepEqual(await readdir(dir), ['taken'])
  await assert.rejects(writeDurably(join(dir, 'missing', 'a'), []), { code: 'ENOENT', syscall: 'open' })
  await writeDurably(join(dir, 'b'), [])
  assert.deepEqual(readdirSync('/proc/self/fd'), descriptors)
})

test('a half-written file is known by its name', async t => {
  const dir = await directory(t)
  const { steps } = await spyOnFiles(t)
  await writeDurably(join(dir, 'b'), [Buffer.from('x')])
  assert.ok(isHalfWritten(join(dir, (steps[0] ?? '').replace('write ', ''))))
  assert.ok(!isHalfWritten(join(dir, 'b')))
})
