// parse_and_submit as a process between strict stand-ins and a real broker.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { decodeFailedMessage, readHeaders } from '@cuckoo-distributed/core'
import { waitFor, zip } from '@cuckoo-distributed/testing'
import { PROGRESS, STORED_BYTES, VISITED } from '../src/notes.js'
import { rowsOf, startScene } from './scene.js'

const sample = {
  name: 'rechnung "März".exe',
  bytes: Buffer.from('MZ this program cannot be run in DOS mode http://evil.example/a.php C:\\Users\\Jürgen\\a.dll'),
}

test('report and dropped files arrive in CRITs: rows by subtype, files related as Dropped, finished, cleaned up', async t => {
  const { broker, queues, cuckoo, crits, start, analyse, ended } = await startScene(t)
  await start({ CuckooCleanup: true })
  const analysis = await analyse(sample)
  await broker.publish(queues.parse, analysis.message)
  const stored = await ended(analysis)
  for (const subtype of ['info', 'signature', 'process', 'file', 'registry_key', 'mutex', 'file_added', 'api_call']) {
    assert.ok(rowsOf(stored, subtype).length > 0, `rows of subtype ${subtype}`)
  }
  const order = [...new Set(stored.results.map(row => row.subtype))]
  assert.deepEqual(order, ['info', 'signature', 'process', 'file', 'registry_key', 'mutex', 'file_added', 'api_call'])
  const [call] = rowsOf(stored, 'api_call')
  assert.ok(call)
  assert.deepEqual(Object.keys(call).sort(), [
    'api',
    'arguments',
    'category',
    'id',
    'process',
    'repeated',
    'result',
    'return',
    'status',
    'subtype',
    'thread_id',
    'timestamp',
  ])
  assert.ok(call.status === 'true' || call.status === 'false')
  const dropped =
    crits.samples.get(analysis.objectId)?.relationships.filter(one => one.relationship === 'Dropped') ?? []
  assert.ok(dropped.length > 0)
  await waitFor(() => cuckoo.tasks.get(analysis.taskId) === undefined, { describe: 'the task to be deleted' })
  assert.deepEqual(crits.violations, [])
  assert.deepEqual(cuckoo.violations, [])
  assert.deepEqual(
    crits.duplicateResults(analysis.analysisId).filter(row => row.subtype !== 'api_call'),
    [],
  )
  assert.equal(await broker.depth(queues.failed), 0)
})

test('capture, payloads out of an encrypted zip and screenshots arrive in CRITs, each once', async t => {
  const payload = Buffer.from('MZ unpacked')
  const name = createHash('sha256').update(payload).digest('hex')
  const artifacts = {
    pcap: Buffer.concat([Buffer.from('d4c3b2a1', 'hex'), Buffer.alloc(60, 1)]),
    screenshots: ['aa', 'bb'].map(byte => ({ name: `${byte}.jpg`, content: Buffer.from(`ffd8ffe0${byte}`, 'hex') })),
    formats: { payloads: zip([{ name: `CAPE/${name}`, content: payload }], { password: 'secret' }) },
  }
  const { broker, queues, crits, start, analyse, ended } = await startScene(t, {
    cuckoo: { artifacts: () => artifacts },
  })
  const EnabledParsers = ['info', 'dropped', 'pcap', 'payloads', 'screenshots']
  const service = await start({ EnabledParsers, ArchivePassword: 'secret' })
  const analysis = await analyse(sample)
  await broker.publish(queues.parse, analysis.message)
  const stored = await ended(analysis)
  assert.deepEqual(
    [...new Set(stored.results.map(row => row.subtype))],
    ['info', 'file_added', 'payload_added', 'pcap_added'],
  )
  assert.deepEqual(
    rowsOf(stored, 'payload_added').map(row => row.result),
    [name],
  )
  assert.deepEqual([crits.pcaps.length, crits.screenshots.length], [1, 2])
  const object = crits.samples.get(analysis.objectId)
  assert.equal(object?.screenshots.length, 2)
  assert.equal(object?.relationships.filter(({ type }) => type === 'PCAP').length, 1)
  assert.deepEqual(crits.violations, [])
  assert.equal(await broker.depth(queues.failed), 0)
  assert.equal((await service.stop()).code, 0)
})

test('a Cuckoo 2.0 report has the same rows as one of 1.2', async t => {
  const { broker, queues, crits, start, analyse, ended } = await startScene(t, { cuckoo: { version: '2.0' } })
  await start()
  const analysis = await analyse(sample)
  await broker.publish(queues.parse, analysis.message)
  const stored = await ended(analysis)
  const [call] = rowsOf(stored, 'api_call')
  assert.match(String(call?.thread_id), /^\d+$/)
  assert.ok(Array.isArray(call?.arguments))
  assert.match(String(rowsOf(stored, 'info')[0]?.started), /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/)
  assert.deepEqual(crits.violations, [])
})

test('the chain of the original README: each sample is parsed once by each instance, nothing runs in a circle', async t => {
  const { broker, queues, cuckoo, crits, start, analyse, ended } = await startScene(t)
  const first = {
    ProducerQueue: queues.next,
    PrefetchCount: 10,
    PushApiCallsMax: 5000,
    CuckooCleanup: false,
    EnabledParsers: ['info', 'signatures', 'behavior'],
  }
  const second = {
    ConsumerQueue: queues.next,
    ProducerQueue: queues.parse,
    PrefetchCount: 10,
    PushApiCallsMax: 5000,
    CuckooCleanup: true,
    EnabledParsers: ['dropped'],
  }
  await Promise.all([start(first), start(second)])
  const analyses = await Promise.all(
    [1, 2, 3].map(i => analyse({ name: `${i}.exe`, bytes: Buffer.from(`MZ sample ${i} C:\\x${i}.dll`) })),
  )
  for (const analysis of analyses) await broker.publish(queues.parse, analysis.message)
  for (const analysis of analyses) {
    const stored = await ended(analysis)
    assert.equal(rowsOf(stored, 'info').length, 1)
    assert.ok(rowsOf(stored, 'file_added').length > 0)
    await waitFor(() => cuckoo.tasks.get(analysis.taskId) === undefined, { describe: 'the task to be deleted' })
  }
  const downloads = (path: RegExp) => cuckoo.journal.filter(entry => path.test(entry.path)).length
  assert.equal(downloads(/^\/tasks\/report\/\d+$/), 3)
  assert.equal(downloads(/^\/tasks\/report\/\d+\/dropped/), 3)
  for (const queue of Object.values(queues)) assert.equal(await broker.depth(queue), 0)
  assert.deepEqual(crits.violations, [])
})

test('an instance that relays does not finish the analysis, and passes the body on unchanged with where it was', async t => {
  const { broker, queues, crits, start, analyse } = await startScene(t)
  await start({ ProducerQueue: queues.next })
  const analysis = await analyse(sample)
  await broker.publish(queues.parse, analysis.message, { headers: { traceparent: '00-1-2-01' } })
  const message = await broker.expectMessage(queues.next)
  assert.equal(message.body.toString(), analysis.message)
  const { notes } = readHeaders(message.headers)
  assert.deepEqual(notes.get(VISITED), [queues.parse])
  assert.equal(message.headers.traceparent, '00-1-2-01')
  assert.ok(notes.get(STORED_BYTES))
  assert.equal(crits.analyses.get(analysis.analysisId)?.status, 'started')
})

for (const server of ['crits', 'cuckoo'] as const) {
  test(`${server} away: the message waits, nothing fails, everything arrives`, async t => {
    const { broker, queues, start, analyse, ended, ...scene } = await startScene(t)
    const service = await start()
    const analysis = await analyse(sample)
    await scene[server].down()
    await broker.publish(queues.parse, analysis.message)
    await service.waitForLog(/server is unavailable/)
    await scene[server].up()
    await ended(analysis)
    assert.equal(await broker.depth(queues.failed), 0)
    assert.deepEqual(scene.crits.violations, [])
  })
}

test('a held message goes back to its queue with its progress, and nothing is sent twice', async t => {
  const { broker, queues, crits, start, analyse, ended } = await startScene(t)
  await start({ HoldLimit: 1, EnabledParsers: ['info', 'signatures', 'behavior', 'dropped'] })
  const analysis = await analyse(sample)
  // The uploads take longer than HoldLimit in all, one by one they do not.
  crits.faults.next({ kind: 'slow', milliseconds: 600, times: 8, match: { method: 'POST', path: '/api/v1/samples/' } })
  await broker.publish(queues.parse, analysis.message)
  const stored = await ended(analysis)
  const uploads = crits.journal.filter(entry => entry.method === 'POST' && entry.path === '/api/v1/samples/')
  const relations = crits.samples.get(analysis.objectId)?.relationships ?? []
  const dropped = relations.filter(one => one.relationship === 'Dropped')
  assert.equal(uploads.length, dropped.length, 'each file was uploaded once')
  assert.equal(rowsOf(stored, 'info').length, 1)
  assert.deepEqual(crits.violations, [])
  assert.equal(await broker.depth(queues.failed), 0)
})

test('SIGTERM between two batches: the message goes back with its progress, and no row is stored twice', async t => {
  const { broker, queues, crits, start, analyse, ended } = await startScene(t)
  const first = await start()
  const analysis = await analyse(sample)
  const posts = { method: 'POST', path: '/api/v1/services/' }
  // The third call follows the first batch of results.
  crits.faults.next({ kind: 'slow', milliseconds: 4000, match: { ...posts, nth: 4 } })
  await broker.publish(queues.parse, analysis.message)
  await waitFor(() => (crits.analyses.get(analysis.analysisId)?.results.length ?? 0) > 0, {
    describe: 'the first batch',
  })
  first.signal('SIGTERM')
  assert.equal((await first.exit).code, 0)
  const message = await broker.expectMessage(queues.parse)
  assert.ok(readHeaders(message.headers).notes.get(PROGRESS)?.rows, 'the progress travels with the message')
  await broker.publish(queues.parse, message.body, { headers: message.headers })
  await start()
  const stored = await ended(analysis)
  assert.equal(rowsOf(stored, 'info').length, 1)
  assert.deepEqual(
    crits.duplicateResults(analysis.analysisId).filter(row => row.subtype !== 'api_call'),
    [],
  )
  assert.deepEqual(crits.violations, [])
})

test('an archive that takes longer than HoldLimit gets through file by file', async t => {
  const { broker, queues, cuckoo, crits, start, analyse, ended } = await startScene(t)
  await start({ HoldLimit: 1, EnabledParsers: ['dropped'] })
  const analysis = await analyse(sample)
  cuckoo.faults.next({ kind: 'slow', milliseconds: 1100, times: Number.POSITIVE_INFINITY, match: { path: /dropped$/ } })
  await broker.publish(queues.parse, analysis.message)
  const stored = await ended(analysis)
  const uploads = crits.journal.filter(entry => entry.method === 'POST' && entry.path === '/api/v1/samples/')
  const relations = crits.samples.get(analysis.objectId)?.relationships ?? []
  assert.equal(uploads.length, relations.filter(one => one.relationship === 'Dropped').length)
  assert.ok(rowsOf(stored, 'file_added').length > 0)
  assert.equal(await broker.depth(queues.failed), 0)
})

test('an answer of CRITs that was lost fails the message with its progress, and the next try goes on from there', async t => {
  const { broker, queues, crits, start, analyse } = await startScene(t)
  await start()
  const analysis = await analyse(sample)
  crits.faults.next({ kind: 'lostAfterStore', match: { method: 'POST', path: '/api/v1/services/', nth: 2 } })
  await broker.publish(queues.parse, analysis.message)
  const failed = await broker.expectMessage(queues.failed)
  const { notes, attempts } = readHeaders(failed.headers)
  assert.equal(attempts, 1)
  assert.equal(notes.get(PROGRESS)?.queue, queues.parse)
  assert.equal(decodeFailedMessage(failed.body).desc, 'CRITS_RESULTS_UNKNOWN')
})

const permanent: [string, (message: Record<string, unknown>) => unknown, Record<string, unknown>, string][] = [
  ['a body that is not JSON', () => 'nonsense', {}, 'INVALID_MESSAGE'],
  ['a message without CritsData', message => ({ ...message, CritsData: undefined }), {}, 'INVALID_MESSAGE'],
  ['a message without crits_url and no CritsURL', message => message, { CritsURL: '' }, 'NO_CRITS_URL'],
  [
    'a Cuckoo that is not allowed',
    message => message,
    { AllowedCuckooURLs: ['http://other.example'] },
    'URL_NOT_ALLOWED',
  ],
  [
    'a Cuckoo URL with a password',
    message => ({ ...message, CuckooURL: 'http://u:p@127.0.0.1:1' }),
    {},
    'URL_NOT_ALLOWED',
  ],
]
for (const [name, change, config, code] of permanent) {
  test(`${name} is a permanent failure (${code})`, async t => {
    const { broker, queues, start, analyse } = await startScene(t)
    await start(config)
    const analysis = await analyse(sample)
    const changed = change(JSON.parse(analysis.message))
    const body = typeof changed === 'string' ? changed : JSON.stringify(changed)
    await broker.publish(queues.parse, body)
    const failed = await broker.expectMessage(queues.failed)
    assert.equal(readHeaders(failed.headers).permanent, true)
    const { desc, body: original } = decodeFailedMessage(failed.body)
    assert.equal(desc, code)
    assert.equal(original.toString(), body)
  })
}

test('a report about another sample is never sent', async t => {
  const { broker, queues, crits, cuckoo, start, analyse } = await startScene(t)
  await start()
  const mine = await analyse(sample)
  const other = await analyse({ name: 'other.exe', bytes: Buffer.from('MZ something else') })
  await broker.publish(
    queues.parse,
    JSON.stringify({ CuckooURL: cuckoo.url, TaskId: other.taskId, CritsData: mine.critsData }),
  )
  const failed = await broker.expectMessage(queues.failed)
  assert.equal(decodeFailedMessage(failed.body).desc, 'WRONG_SAMPLE')
  assert.deepEqual(crits.analyses.get(mine.analysisId)?.results, [])
})

test('a redelivered message whose task was cleaned up counts as done', async t => {
  const { broker, queues, crits, cuckoo, start, analyse } = await startScene(t)
  const service = await start({ CuckooCleanup: true, EnabledParsers: ['dropped'] })
  const analysis = await analyse(sample)
  cuckoo.vanish(analysis.taskId)
  await broker.publish(queues.parse, analysis.message, { headers: { 'x-seen': 1 } })
  await service.waitForLog(/assumed done before/)
  await waitFor(() => crits.analyses.get(analysis.analysisId)?.log.some(line => /assumed done/.test(line.message)), {
    describe: 'the line in CRITs',
  })
  assert.equal(await broker.depth(queues.failed), 0)
})

test('a task that is gone although nothing was done before is dumped without ending the analysis as an error', async t => {
  const { broker, queues, cuckoo, start, analyse } = await startScene(t)
  await start({ CuckooCleanup: true, EnabledParsers: ['dropped'] })
  const analysis = await analyse(sample)
  cuckoo.vanish(analysis.taskId)
  await broker.publish(queues.parse, analysis.message)
  const failed = await broker.expectMessage(queues.failed)
  assert.equal(decodeFailedMessage(failed.body).desc, 'TASK_GONE_AFTER_CLEANUP')
  assert.equal(readHeaders(failed.headers).permanent, true)
})

test('a message that failed before is not taken as done because its task is gone', async t => {
  const { broker, queues, cuckoo, start, analyse } = await startScene(t)
  await start({ CuckooCleanup: true, EnabledParsers: ['dropped'] })
  const analysis = await analyse(sample)
  cuckoo.vanish(analysis.taskId)
  await broker.publish(queues.parse, analysis.message, { headers: { 'x-attempts': 1 } })
  const failed = await broker.expectMessage(queues.failed)
  assert.equal(decodeFailedMessage(failed.body).desc, 'TASK_GONE_AFTER_CLEANUP')
})

test('no key and no password reaches the log', async t => {
  const { broker, queues, crits, start, analyse, ended } = await startScene(t)
  const service = await start()
  const analysis = await analyse(sample)
  await broker.publish(queues.parse, analysis.message)
  await broker.publish(queues.parse, 'nonsense with secret-sample-bytes')
  await ended(analysis)
  await broker.expectMessage(queues.failed)
  await service.stop()
  const printed = service.output.join('\n')
  const key = crits.users[0]?.keys[0]
  assert.ok(key && printed.includes(analysis.analysisId))
  for (const secret of [key, 'guest:guest', 'secret-sample-bytes']) assert.ok(!printed.includes(secret), secret)
})
