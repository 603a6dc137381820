// Numbers that come again: on SQLite the id of the newest task is that of the next one once it was deleted (Cuckoo 1.2, 2.0.7, CAPE).
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type CapeStandIn, type CuckooStandIn, startCape, waitFor, zip } from '@cuckoo-distributed/testing'
import type { Parser } from '../src/config.js'
import { submitterScene } from './submitter.js'

const { signal } = new AbortController()
const OURS = Buffer.from('MZ a sample')
const OTHERS = Buffer.from('MZ of somebody else')

async function upload(sandbox: CuckooStandIn | CapeStandIn, bytes: Buffer, name = 'a.exe'): Promise<void> {
  const form = new FormData()
  form.append('file', new Blob([new Uint8Array(bytes)]), name)
  const path = sandbox.kind === 'cape' ? '/tasks/create/file/' : '/tasks/create/file'
  await fetch(`${sandbox.url}${path}`, { method: 'POST', body: form })
  await waitFor(() => sandbox.tasks.get(1)?.status === 'reported', { describe: 'the report' })
}

/** The task of the message is the first one of a Cuckoo, or of a CAPE. */
async function sceneWith(t: TestContext, kind: 'cuckoo' | 'cape', EnabledParsers: Parser[], CuckooCleanup = true) {
  const scene = await submitterScene(t, { EnabledParsers, CuckooCleanup })
  if (kind === 'cuckoo') return { ...scene, sandbox: scene.cuckoo, body: scene.messageTo(scene.cuckoo.url) }
  const cape = await startCape({ analysisTime: 1, on: ['taskdelete'] })
  t.after(() => cape.close())
  await upload(cape, OURS)
  return { ...scene, sandbox: cape, body: scene.messageTo(cape.url) }
}

for (const kind of ['cuckoo', 'cape'] as const) {
  test(`a ${kind}'s task that has its number from ours is not deleted by a repeat of our message`, async t => {
    const { sandbox, body, deliver } = await sceneWith(t, kind, ['info'])
    const first = await deliver({}, signal, undefined, body).outcome
    assert.ok(first.kind === 'done')
    first.carriedOut?.()
    await first.afterwards?.(signal)
    assert.equal(sandbox.tasks.size, 0)
    await upload(sandbox, OTHERS)
    const repeat = await deliver({}, signal, undefined, body).outcome
    assert.ok(repeat.kind === 'done')
    await repeat.afterwards?.(signal)
    assert.equal(sandbox.tasks.get(1)?.sample.size, OTHERS.length)
  })

  test(`a ${kind}'s task that has its number from ours is not deleted when the answer to our deletion is lost`, async t => {
    const { sandbox, body, deliver } = await sceneWith(t, kind, ['info'])
    const outcome = await deliver({}, signal, undefined, body).outcome
    assert.ok(outcome.kind === 'done')
    sandbox.faults.next({ kind: 'lostAfterStore', match: { path: /\/tasks\/delete\// } })
    const cleaned = outcome.afterwards?.(signal)
    await waitFor(() => sandbox.tasks.size === 0, { everyMs: 1, describe: 'the deletion' })
    await upload(sandbox, OTHERS)
    await cleaned
    assert.equal(sandbox.tasks.get(1)?.sample.size, OTHERS.length)
    assert.deepEqual(sandbox.violations, [])
  })

  for (const parser of ['info', 'dropped', 'pcap'] satisfies Parser[]) {
    test(`a ${kind}'s task with our number is another sample's: nothing of it is sent, and it stays (${parser})`, async t => {
      const { sandbox, body, deliver, analysis, crits } = await sceneWith(t, kind, [parser])
      sandbox.vanish(1)
      await upload(sandbox, OTHERS)
      await assert.rejects(deliver({}, signal, undefined, body).outcome, { code: 'WRONG_SAMPLE', permanent: true })
      assert.deepEqual([analysis().results.length, crits.samples.size, crits.pcaps.length], [0, 1, 0])
      assert.ok(sandbox.tasks.get(1))
    })
  }
}

test('an archive of somebody else, of which CAPE analyses the member under our number, is no part of the sample', async t => {
  const { sandbox, body, deliver, analysis } = await sceneWith(t, 'cape', ['info'])
  sandbox.vanish(1)
  await upload(sandbox, zip([{ name: 'b.exe', content: OTHERS }]), 'a.zip')
  await assert.rejects(deliver({}, signal, undefined, body).outcome, { code: 'WRONG_SAMPLE' })
  assert.deepEqual(analysis().results, [])
})
