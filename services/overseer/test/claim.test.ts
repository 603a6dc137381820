import assert from 'node:assert/strict'
import { readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { spyOnFiles } from '@cuckoo-distributed/testing'
import { Claim, claimedName } from '../src/claim.js'
import { temporaryDir } from './support.js'

/** A directory whose only file, `a`, is claimed; steps on files are slow, so that what is not waited for comes late. */
async function claimed(t: TestContext) {
  const dir = await temporaryDir(t)
  await writeFile(join(dir, 'a'), 'old')
  await spyOnFiles(t)
  const claim = (await Claim.take(dir, 'a')) ?? assert.fail('not taken')
  t.after(() => claim[Symbol.asyncDispose]())
  const giveBackByForce = async () => {
    const file = (await readdir(dir)).find(name => claimedName(name) === 'a') ?? ''
    await rename(join(dir, file), join(dir, 'a'))
  }
  return { dir, claim, giveBackByForce }
}

/** The intervals that run. */
function intervals(t: TestContext): Set<unknown> {
  const running = new Set<unknown>()
  const { setInterval, clearInterval } = globalThis
  t.mock.method(globalThis, 'setInterval', (run: () => void, ms: number) => {
    const timer = setInterval(run, ms)
    running.add(timer)
    return timer
  })
  t.mock.method(globalThis, 'clearInterval', (timer: NodeJS.Timeout) => {
    clearInterval(timer)
    running.delete(timer)
  })
  return running
}

for (const end of ['remove', 'giveBack'] as const) {
  test(`${end} waits for the renewal that is under way, and no other follows`, async t => {
    const running = intervals(t)
    const { dir, claim } = await claimed(t)
    assert.equal(running.size, 1)
    const renewed = claim.renew()
    await claim[end]()
    assert.deepEqual(await readdir(dir), end === 'remove' ? [] : ['a'])
    await renewed
    assert.equal(running.size, 0)
  })
}

test('a file that is gone is not taken, and an error of the file system is told; no timer remains', async t => {
  const { dir } = await claimed(t)
  const running = intervals(t)
  assert.equal(await Claim.take(dir, 'none'), undefined)
  await writeFile(join(dir, 'file'), '')
  await assert.rejects(Claim.take(join(dir, 'file'), 'a'), { code: 'ENOTDIR' })
  assert.equal(running.size, 0)
})

test('reading, replacing and renewing do not get in the way of one another', async t => {
  const { dir, claim } = await claimed(t)
  const all = [claim.read(), claim.renew(), claim.replace([Buffer.from('new')]), claim.renew(), claim.read()]
  const [before, , , , after] = await Promise.all(all)
  assert.deepEqual([String(before), String(after)], ['old', 'new'])
  await claim.giveBack()
  assert.deepEqual(await readdir(dir), ['a'])
})

test('another content is in place when replacing it has ended', async t => {
  const { dir, claim } = await claimed(t)
  await claim.replace([Buffer.from('new')])
  const [file = ''] = await readdir(dir)
  assert.equal(await readFile(join(dir, file), 'utf8'), 'new')
})

for (const step of ['read', 'renew', 'replace', 'remove', 'giveBack'] as const) {
  test(`${step} of a claim that was lost rejects, and the file stays as it is`, async t => {
    const { dir, claim, giveBackByForce } = await claimed(t)
    await giveBackByForce()
    const done = step === 'replace' ? claim.replace([Buffer.from('new')]) : claim[step]()
    await assert.rejects(done, { code: 'ENOENT' })
    assert.deepEqual(await readdir(dir), ['a'])
    assert.equal(await readFile(join(dir, 'a'), 'utf8'), 'old')
  })
}
