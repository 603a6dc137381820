// Dumps that are asked for again and again.
import assert from 'node:assert/strict'
import { mkdir, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { Claim } from '../src/claim.js'
import { DumpList } from '../src/dumps/dump-list.js'
import { taskBody, temporaryDir, wrapped } from './support.js'

test('what changes in the directory is seen, also twice in the same moment, and else nothing is read again', async t => {
  const dir = join(await temporaryDir(t), 'dumps')
  const list = new DumpList(dir)
  const files = async () => (await list.read()).map(({ file }) => file)
  assert.deepEqual(await files(), [])
  await mkdir(dir)
  const file = (name: string) => join(dir, name)
  await writeFile(file('1437000000_1'), wrapped('work', taskBody('1')))
  assert.deepEqual(await files(), ['1437000000_1'])
  const claim = await Claim.take(dir, '1437000000_1')
  assert.match(String(await files()), /^\.claim-/)
  await claim?.giveBack()
  assert.deepEqual(await files(), ['1437000000_1'])
  await rename(file('1437000000_1'), file('1437000000_2'))
  assert.deepEqual(await files(), ['1437000000_2'])

  await utimes(dir, 1, 1)
  const quiet = await list.read()
  assert.equal(await list.read(), quiet)
  await rm(file('1437000000_2'))
  assert.deepEqual(await files(), [])
})
