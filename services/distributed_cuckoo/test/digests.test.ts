import assert from 'node:assert/strict'
import { appendFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { DigestThread, digestsOf } from '../src/digests.js'
import { folderOf } from './contract-scene.js'

test('files that grow side by side have the digests of what they hold at the end', async t => {
  const folder = await folderOf(t)
  const thread = new DigestThread()
  const names = ['a', 'b', 'c']
  const files = await Promise.all(
    names.map(async name => {
      const path = join(folder, name)
      await writeFile(path, name)
      return { path, name, growing: thread.begin(path) }
    }),
  )
  for (let bytes = 1; bytes < 4; bytes += 1) {
    for (const { path, name, growing } of files) {
      growing.grown(bytes)
      await appendFile(path, name)
    }
  }
  for (const { name, growing } of files) {
    assert.deepEqual(await growing.end(4), digestsOf(Buffer.from(name.repeat(4))))
  }
})

test('a file that is gone, or shorter than it is said to be, has none, and disturbs no other', async t => {
  const folder = await folderOf(t)
  const thread = new DigestThread()
  const path = join(folder, 'file')
  await writeFile(path, 'MZ')
  const [gone, dropped, short, whole] = [join(folder, 'gone'), join(folder, 'gone'), path, path].map(name =>
    thread.begin(name),
  )
  dropped?.drop()
  await assert.rejects(gone?.end(2) ?? Promise.resolve(), /ENOENT/)
  await assert.rejects(short?.end(3) ?? Promise.resolve(), /shorter/)
  assert.deepEqual(await whole?.end(2), digestsOf(Buffer.from('MZ')))
  await rm(path)
})
