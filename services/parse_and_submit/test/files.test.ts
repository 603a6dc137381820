// Dropped files: what CRITs knows already, what it refuses, and what fails without a reason.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { isSharedCause, writeHeaders } from '@cuckoo-distributed/core'
import { type CritsStandIn, memoryBody, tarHeader, zip } from '@cuckoo-distributed/testing'
import { PROGRESS } from '../src/notes.js'
import { submitterScene } from './submitter.js'

const UPLOADS = { method: 'POST', path: '/api/v1/samples/' }

const file = (name: string, text = `MZ ${name}`) => ({ name, content: Buffer.from(text) })
const md5 = (text: string) => createHash('md5').update(text).digest('hex')
const uploads = (crits: CritsStandIn) =>
  crits.journal.filter(({ method, path }) => `${method} ${path}` === 'POST /api/v1/samples/')

const dropping = (...files: ReturnType<typeof file>[]) => ({
  standIns: { cuckoo: { dropped: () => files } },
  uploadPauseMs: 1,
})

test('a file is related as Dropped, and in no other way', async t => {
  const { crits, running, deliver } = await submitterScene(t, {}, dropping(file('a'), file('b')))
  assert.equal((await deliver({}).outcome).kind, 'done')
  const relations = crits.samples.get(running.objectId)?.relationships ?? []
  assert.deepEqual(
    relations.map(({ relationship }) => relationship),
    ['Dropped', 'Dropped'],
  )
  assert.deepEqual(crits.violations, [])
})

test('a file that is filed under the source already is only related', async t => {
  const { crits, analysis, running, deliver } = await submitterScene(t, {}, dropping(file('a')))
  const known = crits.addSample({ bytes: Buffer.from('MZ a'), description: 'words of an analyst' })
  await deliver({}).outcome
  assert.equal(uploads(crits).length, 0)
  assert.equal(known.description, 'words of an analyst')
  assert.deepEqual(
    crits.samples.get(running.objectId)?.relationships.map(({ objectId }) => objectId),
    [known.id],
  )
  assert.ok(analysis().results.some(({ subtype, result }) => subtype === 'file_added' && result === 'a'))
})

test('a file of another source is sent with the very description that it has', async t => {
  const users = [{ name: 'alice', keys: ['f00d'.repeat(10)], sources: [{ name: 'Internal' }, { name: 'Other' }] }]
  const options = dropping(file('a'))
  const scene = await submitterScene(t, {}, { ...options, standIns: { ...options.standIns, crits: { users } } })
  const known = scene.crits.addSample({ bytes: Buffer.from('MZ a'), source: 'Other', description: 'words' })
  await scene.deliver({}).outcome
  assert.equal(uploads(scene.crits).length, 1)
  assert.equal(known.description, 'words')
  assert.deepEqual(
    known.sources.map(({ name }) => name),
    ['Other', 'Internal'],
  )
})

test('there is no row for a file that CRITs does not have, whichever round posts the rows', async t => {
  const files = [file('a'), file('empty', ''), file('b')]
  const { analysis, deliver } = await submitterScene(t, { ProducerQueue: 'next' }, dropping(...files))
  const first = deliver({})
  const relayed = await first.outcome
  assert.ok(relayed.kind === 'forward')
  await assert.rejects(async () => relayed.orElse?.(new Error('no such queue')))
  const once = analysis().results.filter(({ subtype }) => subtype === 'file_added')
  assert.deepEqual(
    once.map(({ result }) => result),
    ['a', 'b'],
  )
  const { missing } = first.headers.notes.get(PROGRESS) ?? assert.fail('no progress')
  assert.deepEqual(missing, [2])
  const rows = analysis().results.length
  await deliver(writeHeaders(first.headers)).outcome
  assert.equal(analysis().results.length, rows)
})

test('a file whose upload always ends in 504 is given up after three tries, and stops no other', async t => {
  const { crits, analysis, deliverUntilSettled } = await submitterScene(
    t,
    {},
    dropping(file('a'), file('bad'), file('b')),
  )
  crits.failingUploads.set(md5('MZ bad'), 504)
  assert.equal((await deliverUntilSettled()).kind, 'done')
  const tries = uploads(crits).filter(({ status }) => status === 504).length
  assert.equal(tries, 3)
  const rows = analysis().results.filter(({ subtype }) => subtype === 'file_added')
  assert.deepEqual(
    rows.map(({ result }) => result),
    ['a', 'b'],
  )
  const lines = analysis().log.filter(({ message }) => /dropped file bad .*given up: .*504/.test(message))
  assert.equal(lines.length, 1)
  assert.equal(analysis().status, 'completed')
})

test('a file is not tried again before its time, in whatever round', async t => {
  const options = { ...dropping(file('bad'), file('b')), uploadPauseMs: 3_600_000 }
  const { crits, cuckoo, deliver } = await submitterScene(t, {}, options)
  crits.failingUploads.set(md5('MZ bad'), 504)
  const held = new AbortController()
  const first = deliver({}, held.signal)
  const progress = () => first.headers.notes.get(PROGRESS)
  while (!progress()?.due) await new Promise(resolve => setTimeout(resolve, 10))
  held.abort(new Error('held'))
  await assert.rejects(first.outcome, /held/)
  const downloads = () => cuckoo.journal.filter(({ path }) => /report/.test(path)).length
  const before = downloads()
  const again = new AbortController()
  const second = deliver(writeHeaders(first.headers), again.signal)
  setTimeout(() => again.abort(new Error('held')), 100)
  await assert.rejects(second.outcome, /held/)
  assert.equal(uploads(crits).filter(({ status }) => status === 504).length, 1)
  assert.equal(downloads(), before, 'nothing is downloaded just to wait')
})

test('when two files fail and none succeeds, no file is skipped: the cause is a shared one', async t => {
  const { crits, analysis, deliver } = await submitterScene(t, {}, dropping(file('a'), file('b'), file('c')))
  crits.faults.next({ kind: 'status', status: 500, times: Number.POSITIVE_INFINITY, match: UPLOADS })
  let headers = {}
  for (let time = 0; time < 5; time += 1) {
    const delivery = deliver(headers)
    await assert.rejects(delivery.outcome, (error: Error & { code?: string }) => {
      return error.code === 'CRITS_UPLOADS_REFUSED' && isSharedCause(error)
    })
    headers = writeHeaders(delivery.headers)
  }
  crits.faults.clear()
  assert.equal((await deliver(headers).outcome).kind, 'done')
  const rows = analysis().results.filter(({ subtype }) => subtype === 'file_added')
  assert.deepEqual(
    rows.map(({ result }) => result),
    ['a', 'b', 'c'],
  )
})

test('once uploads work again, what failed with all others is tried at once', async t => {
  const { crits, analysis, deliver, deliverUntilSettled } = await submitterScene(
    t,
    {},
    dropping(file('a'), file('b'), file('c')),
  )
  crits.faults.next({ kind: 'status', status: 504, times: Number.POSITIVE_INFINITY, match: UPLOADS })
  const first = deliver({})
  await assert.rejects(first.outcome, { code: 'CRITS_UPLOADS_REFUSED' })
  crits.faults.clear()
  assert.equal((await deliverUntilSettled(writeHeaders(first.headers))).kind, 'done')
  const rows = analysis().results.filter(({ subtype }) => subtype === 'file_added')
  assert.deepEqual(
    rows.map(({ result }) => result),
    ['a', 'b', 'c'],
  )
})

test('two files that fail while others are taken are each given up', async t => {
  const files = [file('bad'), file('worse'), file('good')]
  const { crits, analysis, deliver, deliverUntilSettled } = await submitterScene(
    t,
    {},
    { ...dropping(...files), uploadPauseMs: 5000 },
  )
  for (const { content } of files.slice(0, 2)) crits.failingUploads.set(md5(content.toString()), 504)
  const first = deliver({})
  await assert.rejects(first.outcome, { code: 'CRITS_UPLOADS_REFUSED' })
  const { tries } = first.headers.notes.get(PROGRESS) ?? assert.fail('no progress')
  assert.equal(tries.length, 2)
  // The first two are not due yet, so the third one shows that uploads work. To save time, their next try is the last.
  const progress = { ...first.headers.notes.get(PROGRESS), tries: tries.map(one => ({ ...one, count: 2 })) }
  const headers = { ...writeHeaders(first.headers), 'x-progress': JSON.stringify(progress) }
  assert.equal((await deliverUntilSettled(headers)).kind, 'done')
  assert.equal(analysis().log.filter(({ message }) => /given up/.test(message)).length, 2)
  assert.deepEqual(
    analysis()
      .results.filter(({ subtype }) => subtype === 'file_added')
      .map(({ result }) => result),
    ['good'],
  )
})

test('a second name of a file, a hard link in the archive, gets its row', async t => {
  const link = Buffer.from(tarHeader('files/2/two.txt', 0))
  link.write('1files/1/one.txt', 156)
  link.write('        ', 148)
  const sum = link.reduce((total, byte) => total + byte, 0)
  link.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  const first = Buffer.concat([tarHeader('files/1/one.txt', 3), Buffer.alloc(512, 'one\0'.padEnd(512, '\0'))])
  const archive = memoryBody(Buffer.concat([first, link, Buffer.alloc(1024), Buffer.from('behind the end')]))
  const { analysis, deliver } = await submitterScene(t, {}, { standIns: { cuckoo: { dropped: () => archive } } })
  await deliver({}).outcome
  const rows = analysis().results.filter(({ subtype }) => subtype === 'file_added')
  assert.deepEqual(
    rows.map(({ result, md5: digest }) => [result, digest]),
    [
      ['one.txt', md5('one')],
      ['two.txt', md5('one')],
    ],
  )
})

/** What CAPE would send, from a Cuckoo: what comes is told from its bytes. */
const zipped = (files: ReturnType<typeof file>[], password?: string) => ({
  standIns: {
    cuckoo: {
      dropped: () =>
        memoryBody(
          zip(
            files.map(({ name, content }) => ({ name: `files/${name}`, content })),
            { password },
          ),
        ),
    },
  },
})

for (const password of [undefined, 'infected', 'another']) {
  test(`dropped files come as a zip as well (password: ${password})`, async t => {
    const scene = zipped([file('a'), file('empty', ''), file('b')], password)
    const { crits, analysis, deliver } = await submitterScene(t, password ? { ArchivePassword: password } : {}, scene)
    assert.equal((await deliver({}).outcome).kind, 'done')
    const rows = analysis().results.filter(({ subtype }) => subtype === 'file_added')
    assert.deepEqual(
      rows.map(({ result, md5: hash }) => [result, hash]),
      [
        ['a', md5('MZ a')],
        ['b', md5('MZ b')],
      ],
    )
    assert.equal(uploads(crits).length, 2)
    assert.deepEqual(crits.violations, [])
  })
}

test('a zip with another password waits until the configuration has it, as every other archive would', async t => {
  const { analysis, deliver } = await submitterScene(t, {}, zipped([file('a')], 'virus'))
  await assert.rejects(deliver({}).outcome, (error: Error & { code?: string }) => {
    assert.equal(error.code, 'ARCHIVE_PASSWORD')
    assert.match(error.message, /set "ArchivePassword" to the "zip_pwd"/)
    return isSharedCause(error)
  })
  assert.equal(analysis().status, 'started')
})
