import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import test from 'node:test'
import { zip } from '@cuckoo-distributed/testing'
import { CapeClient, TaskRefusedError } from '../src/index.js'
import { capeScene, KEY, paths, reported, sample, signal } from './cape-scene.js'
import { stub } from './stub.js'

const IDLE = { idle: true, analysisTime: Number.POSITIVE_INFINITY, processingTime: Number.POSITIVE_INFINITY }
const ON = ['cuckoostatus', 'taskdelete'] as const

test('a sample becomes a task whose mark, phase and hashes are seen, alone and in lists', async t => {
  const scene = await capeScene(t, IDLE)
  const { client, cape } = scene
  const { id, others, remarks } = await client.createTask(sample('a.exe', { custom: 'crits-1' }), signal)
  assert.deepEqual([others, remarks], [[], []])
  const task = await client.viewTask(id, signal)
  const md5 = createHash('md5').update('MZ a.exe').digest('hex')
  assert.deepEqual([task?.custom, task?.phase, task?.md5], ['crits-1', 'pending', md5])
  assert.deepEqual(
    (await client.listTasks({ phase: 'pending' }, signal)).map(({ id }) => id),
    [id],
  )
  assert.deepEqual(await client.listTasks({ phase: 'ended' }, signal), [])
  assert.equal(await client.viewTask(99, signal), undefined)
  assert.deepEqual(cape.violations, [])
})

test('words of CAPE are phases', async t => {
  const { client, cape } = await capeScene(t, IDLE)
  const { id } = await client.createTask(sample('a.exe'), signal)
  for (const [word, phase] of [
    ['running', 'running'],
    ['distributed', 'running'],
    ['completed', 'processing'],
    ['reported', 'reported'],
    ['failed_analysis', 'failed'],
    ['failed_processing', 'failed'],
    ['failed_reporting', 'failed'],
    ['banned', 'failed'],
    ['recovered', 'replaced'],
  ] as const) {
    cape.move(id, word)
    assert.equal((await client.viewTask(id, signal))?.phase, phase, word)
  }
})

test('a task that was rescheduled by the API shows as the one that goes on; after a restart nothing tells', async t => {
  const { client, cape } = await capeScene(t, IDLE)
  const { id } = await client.createTask(sample('a.exe', { custom: 'crits-1' }), signal)
  const next = cape.rescheduleByApi(id)
  assert.equal((await client.viewTask(id, signal))?.id, next.id)
  const [listed] = (await client.searchTasks({ md5: next.sample.md5 }, signal))?.filter(task => task.id === id) ?? []
  assert.deepEqual([listed?.phase, listed?.successor], ['replaced', next.id])
  const another = await client.createTask(sample('b.exe'), signal)
  cape.reschedule(another.id)
  const seen = await client.viewTask(another.id, signal)
  assert.deepEqual([seen?.id, seen?.phase, seen?.successor], [another.id, 'replaced', undefined])
})

test('a task that was rescheduled by the API is deleted itself, not the one that goes on', async t => {
  const { client, cape } = await capeScene(t, { ...IDLE, on: ['taskdelete'] })
  const { id } = await client.createTask(sample('a.exe', { custom: 'crits-1' }), signal)
  const next = cape.rescheduleByApi(id)
  cape.move(next.id, 'reported')
  assert.equal(await client.deleteTask(id, signal), 'deleted')
  assert.deepEqual([...cape.tasks.keys()], [next.id])
  assert.deepEqual(cape.violations, [])
})

test('lists are read page by page', async t => {
  const scene = await capeScene(t, IDLE)
  for (let n = 0; n < 120; n += 1) await scene.client.createTask(sample(`${n}.exe`), signal)
  assert.equal((await scene.client.listTasks({ phase: 'pending' }, signal)).length, 120)
  assert.deepEqual(
    paths(scene).slice(-3),
    [0, 50, 100].map(offset => `/tasks/list/50/${offset}/?status=pending`),
  )
  assert.deepEqual(scene.cape.violations, [])
})

test('what ended is asked for with one request, one by one of a CAPE before 2.4', async t => {
  const scene = await capeScene(t, { version: '2.2-CAPE' })
  await scene.client.listTasks({ phase: 'ended' }, signal)
  await scene.client.listTasks({ phase: 'failed', completedAfter: 1.5 }, signal)
  assert.match(paths(scene)[0] ?? '', /status=reported(%7C|\|)failed/)
  assert.deepEqual(paths(scene).slice(1), [
    '/tasks/list/50/0/?status=failed_analysis&completed_after=1',
    '/tasks/list/50/0/?status=failed_processing&completed_after=1',
    '/tasks/list/50/0/?status=failed_reporting&completed_after=1',
    '/tasks/list/50/0/?status=banned&completed_after=1',
  ])
})

test('the task of an archive is found by the hash of the archive, in lower case', async t => {
  const { client, cape } = await capeScene(t, IDLE)
  const archive = zip([{ name: 'inner.exe', content: Buffer.from('MZ inner') }])
  const open = async function* () {
    yield archive
  }
  const { id } = await client.createTask(
    { name: 'a.zip', size: archive.length, options: { custom: 'c' }, open },
    signal,
  )
  const sha256 = createHash('sha256').update(archive).digest('hex')
  const found = await client.searchTasks({ sha256: sha256.toUpperCase() }, signal)
  assert.deepEqual(
    found?.map(task => [task.id, task.custom, task.mayBeMember]),
    [[id, 'c', true]],
  )
  assert.notEqual(found?.[0]?.sha256, sha256)
  assert.deepEqual(await client.searchTasks({ md5: '0'.repeat(32) }, signal), [])
  assert.deepEqual(cape.violations, [])
})

test('without a search there is none, which is told once', async t => {
  const scene = await capeScene(t, { off: ['tasksearch'] })
  for (let n = 0; n < 2; n += 1)
    assert.equal(await scene.client.searchTasks({ md5: '0'.repeat(32) }, signal), undefined)
  assert.match(
    scene.notices.join('\n'),
    /^.*"Task Search API is Disabled"; set "enabled = yes" under \[tasksearch\].*$/,
  )
  assert.equal(scene.cape.journal.length, 1)
})

test('free space is in GiB, and a status that is off is made up by list, told once', async t => {
  const on = await capeScene(t, { on: ON, freeGiB: 3 })
  const status = await on.client.status(signal)
  assert.deepEqual(
    [status.version, status.freeBytes, status.freeUnit, status.tasksKnown],
    ['2.5', 3 * 2 ** 30, 2 ** 30, true],
  )
  const off = await capeScene(t, IDLE)
  for (let n = 0; n < 60; n += 1) await off.client.createTask(sample(`${n}.exe`), signal)
  for (let n = 0; n < 2; n += 1) {
    const { pending, freeBytes, tasksKnown } = await off.client.status(signal)
    assert.deepEqual([pending, freeBytes, tasksKnown], [60, undefined, true])
  }
  assert.equal(off.notices.length, 1)
  assert.match(off.notices[0] ?? '', /"Cuckoo Status API is disabled"; set "enabled = yes" under \[cuckoostatus\]/)
  assert.equal(paths(off).filter(path => path.includes('/cuckoo/status')).length, 1)
})

test('a report is told from a failure, and never tells the state of a task', async t => {
  const scene = await capeScene(t)
  const { client, cape } = scene
  const { id } = await client.createTask(sample('a.exe'), signal)
  await reported(scene, id)
  const report = await client.report(id, signal)
  assert.equal(JSON.parse((await report?.text(2 ** 20)) ?? '').info.id, id)
  assert.equal(await client.report(99, signal), undefined)
  for (const word of ['failed_reporting', 'banned', 'distributed', 'recovered'] as const) {
    cape.move(id, word)
    assert.equal(await client.report(id, signal), undefined, word)
  }
})

test('where what processes did is not wanted the light report is read, as long as there are any', async t => {
  const lite = await capeScene(t, { liteReport: true })
  const { id } = await lite.client.createTask(sample('a.exe'), signal)
  await reported(lite, id)
  const light = await lite.client.report(id, signal, { withoutProcesses: true })
  assert.equal('processes' in JSON.parse((await light?.text(2 ** 20)) ?? '').behavior, false)
  ;(await lite.client.report(id, signal))?.discard()
  assert.deepEqual(paths(lite).slice(1), [`/tasks/get/report/${id}/litereport/`, `/tasks/get/report/${id}/json/`])
  const none = await capeScene(t)
  const other = await none.client.createTask(sample('a.exe'), signal)
  await reported(none, other.id)
  for (let n = 0; n < 2; n += 1) (await none.client.report(other.id, signal, { withoutProcesses: true }))?.discard()
  assert.deepEqual(
    paths(none)
      .slice(1)
      .map(path => path.split('/').at(-2)),
    ['litereport', 'json', 'json'],
  )
})

test('an empty archive, one with files, and what is not there', async t => {
  const scene = await capeScene(t, {
    artefacts: ({ id }) =>
      id === 1 ? { dropped: [{ name: 'a', content: Buffer.from('a') }], pcap: Buffer.from('p') } : {},
  })
  const { client, cape } = scene
  for (const name of ['a.exe', 'b.exe']) await client.createTask(sample(name), signal)
  await reported(scene, 1)
  await reported(scene, 2)
  const sizeOf = async (id: number) => {
    const download = await client.dropped(id, {}, signal)
    return typeof download === 'object' ? (await download.text(2 ** 20)).length : download
  }
  assert.ok(Number(await sizeOf(1)) > 22)
  assert.equal(await sizeOf(2), 22)
  assert.equal(await sizeOf(99), undefined)
  const pcap = await client.artifact(1, 'pcap', signal)
  assert.equal(typeof pcap === 'object' && (await pcap.text(9)), 'p')
  for (const artifact of ['pcap', 'payloads', 'screenshots'] as const) {
    assert.equal(await client.artifact(2, artifact, signal), 'none', artifact)
  }
  await assert.rejects(client.artifact(2, 'procdump', signal), { code: 'CUCKOO_ENDPOINT_OFF', sharedCause: true })
  cape.lose(2)
  await assert.rejects(client.dropped(2, {}, signal), {
    code: 'CUCKOO_CALL_REFUSED',
    message: /No analysis directory for task 2/,
  })
  cape.mark(1, 'Red')
  await assert.rejects(client.report(1, signal), { code: 'CUCKOO_CALL_REFUSED', message: /TLP of RED/ })
})

test('deletion that is off is respected, told once, and not asked for again; nothing gets round it', async t => {
  const scene = await capeScene(t)
  const { id } = await scene.client.createTask(sample('a.exe'), signal)
  await reported(scene, id)
  for (let n = 0; n < 3; n += 1) assert.equal(await scene.client.deleteTask(id, signal), 'off')
  assert.ok(scene.cape.tasks.has(id))
  assert.deepEqual(paths(scene).slice(1), [`/tasks/delete/${id}/`])
  assert.match(
    scene.notices.join('\n'),
    /^.*under \[taskdelete\] in its conf\/api.conf, or make the user of the token staff.*$/,
  )
})

for (const version of ['2.5', '2.4']) {
  test(`by key deletion that is off is got round by delete_many (CAPE ${version}), which is told once`, async t => {
    const scene = await capeScene(t, { ...IDLE, version, deleteMany: true }, { capeDelete: 'many' })
    const { cape, client } = scene
    const [one, two] = [
      await client.createTask(sample('a.exe'), signal),
      await client.createTask(sample('b.exe'), signal),
    ]
    cape.move(one.id, 'reported')
    cape.move(two.id, 'running')
    assert.equal(await client.deleteTask(one.id, signal), 'deleted')
    assert.equal(await client.deleteTask(one.id, signal), 'gone')
    assert.equal(await client.deleteTask(two.id, signal), 'busy')
    assert.deepEqual([...cape.tasks.keys()], [two.id])
    const many = '/tasks/delete_many/'
    assert.deepEqual(paths(scene).slice(2), [`/tasks/delete/${one.id}/`, many, many, many])
    assert.match(scene.notices.join('\n'), /^.*under \[taskdelete\].* tasks are deleted by delete_many \(CapeDelete\)$/)
    assert.deepEqual(cape.violations, [])
  })
}

test('where deletion is on, delete_many is not needed', async t => {
  const scene = await capeScene(t, { ...IDLE, on: ON }, { capeDelete: 'many' })
  const { id } = await scene.client.createTask(sample('a.exe'), signal)
  scene.cape.move(id, 'reported')
  assert.equal(await scene.client.deleteTask(id, signal), 'deleted')
  assert.deepEqual(scene.cape.violations, [])
})

test('a task is deleted in whatever state it is, but not while it runs', async t => {
  const { client, cape } = await capeScene(t, { ...IDLE, on: ON })
  const { id } = await client.createTask(sample('a.exe'), signal)
  const other = await client.createTask(sample('b.exe'), signal)
  cape.move(other.id, 'reported')
  assert.equal(await client.deleteTask(other.id, signal), 'deleted')
  cape.move(id, 'distributed')
  assert.equal(await client.deleteTask(id, signal), 'busy')
  cape.move(id, 'failed_analysis')
  assert.equal(await client.deleteTask(id, signal), 'deleted')
  assert.equal(await client.deleteTask(id, signal), 'gone')
  assert.deepEqual(cape.violations, [])
})

test('every refusal says what to change', async t => {
  const user = { name: 'feeder', keys: [KEY] }
  const token = await capeScene(t, { users: [user] }, { apiToken: 'wrong' })
  await assert.rejects(token.client.viewTask(1, signal), {
    code: 'CUCKOO_TOKEN_REFUSED',
    message: /check "CuckooTokens" and what its user may do/,
  })
  await assert.rejects(token.client.createTask(sample('a.exe'), signal), { code: 'CUCKOO_TOKEN_REFUSED' })
  const off = await capeScene(t, { off: ['taskview', 'taskreport', 'filecreate', 'tasklist'] })
  for (const [call, section] of [
    [() => off.client.viewTask(1, signal), 'taskview'],
    [() => off.client.report(1, signal), 'taskreport'],
    [() => off.client.createTask(sample('a.exe'), signal), 'filecreate'],
    [() => off.client.status(signal), 'tasklist'],
  ] as const) {
    await assert.rejects(call(), {
      code: 'CUCKOO_ENDPOINT_OFF',
      sharedCause: true,
      message: new RegExp(`set "enabled = yes" under \\[${section}\\] in its conf/api\\.conf`),
    })
  }
  // What can be done without is told once.
  assert.deepEqual([await off.client.listMachines(signal), await off.client.listMachines(signal)], [[], []])
  assert.equal(off.notices.filter(text => text.includes('under [machinelist]')).length, 1)
  const page = await capeScene(t, { reportsForAll: false })
  const { id } = await page.client.createTask(sample('a.exe'), signal)
  await reported(page, id)
  await assert.rejects(page.client.report(id, signal), {
    code: 'CUCKOO_WEB_PAGE',
    message: /reports_dl_allowed_to_all/,
  })
  const small = await capeScene(t, { maxSampleSize: 3, unique: true })
  await assert.rejects(small.client.createTask(sample('a.exe'), signal), {
    permanent: true,
    message: /max_sample_size/,
  })
  await small.client.createTask(sample('a.exe', {}, 'MZ'), signal)
  await assert.rejects(small.client.createTask(sample('a.exe', {}, 'MZ'), signal), { message: /uniq_submission/ })
  await assert.rejects(small.client.createTask(sample('a.exe', { machine: 'x' }, 'MZ'), signal), {
    message: /check "machine"/,
  })
})

test('a token is sent in the scheme of CAPE, and in no error', async t => {
  const { client, cape } = await capeScene(
    t,
    { on: ON, users: [{ name: 'f', keys: [KEY], rate: null }] },
    { apiToken: KEY },
  )
  await client.createTask(sample('a.exe'), signal)
  cape.faults.next({ kind: 'status', status: 500, body: `no ${KEY}` })
  await assert.rejects(client.status(signal), error => !String(error).includes(KEY))
})

test('names that the junk filter refuses are replaced, and that is told', async t => {
  const { client, cape } = await capeScene(t, IDLE)
  const { id, remarks } = await client.createTask(sample('readme.js', { options: 'free=yes' }), signal)
  assert.deepEqual(
    [cape.tasks.get(id)?.fileName, cape.tasks.get(id)?.options],
    ['sample.js', 'free=yes,filename=sample.js'],
  )
  assert.deepEqual(remarks, [`CAPE's filter of junk names refuses "readme.js"; the sample was sent as "sample.js"`])
  const text = await client.createTask(sample('notes.TXT'), signal)
  assert.equal(cape.tasks.get(text.id)?.fileName, 'sample.bin')
  const strict = await capeScene(t, IDLE, { junkNames: 'fail' })
  await assert.rejects(strict.client.createTask(sample('readme.js'), signal), {
    permanent: true,
    message: /set "JunkNames" to "rename"/,
  })
  await assert.rejects(client.createTask(sample('a', { options: 'filename=license' }), signal), TaskRefusedError)
})

test('what CAPE would take for a name, or PostgreSQL would not take at all, is not sent', async t => {
  const { client, cape } = await capeScene(t, { server: 'production' })
  for (const options of [
    { custom: 'name=x' },
    { custom: 'a,filename=x' },
    { custom: 'c'.repeat(256) },
    { package: 'p'.repeat(256) },
    { tags_tasks: 't'.repeat(257) },
  ]) {
    await assert.rejects(client.createTask(sample('a.exe', options), signal), { permanent: true })
  }
  assert.equal(cape.journal.length, 0)
  await client.createTask(sample('a.exe', { custom: 'my-name=x', tags_tasks: 't'.repeat(256) }), signal)
  assert.deepEqual(cape.violations, [])
})

test('several tasks, a list in the list, and hints beside a success', async t => {
  const { client } = await capeScene(t, { ...IDLE, tasksPerUpload: name => (name === 'set.iso' ? 3 : 1) })
  const several = await client.createTask(sample('set.iso'), signal)
  assert.deepEqual([several.id, ...several.others], [1, 2, 3])
  assert.equal((await client.createTask(sample('a.exe', { static: '1' }), signal)).id, 4)
  const archive = zip(['a.exe', 'b.exe'].map(name => ({ name, content: Buffer.from(name) })))
  const open = async function* () {
    yield archive
  }
  const { remarks } = await client.createTask({ name: 'two.zip', size: archive.length, options: {}, open }, signal)
  assert.deepEqual(remarks, ['CAPE says: option: file=a.exe', 'CAPE says: option: file=b.exe'])
})

test('an upload without a clear answer may have made a task', async t => {
  const { client, cape } = await capeScene(t, IDLE)
  for (const fault of [
    { kind: 'lostAfterStore' },
    { kind: 'status', status: 500 },
    { kind: 'html200' },
    { kind: 'status', status: 504 },
  ] as const) {
    cape.faults.next(fault)
    await assert.rejects(client.createTask(sample('a.exe'), signal), {
      code: 'CUCKOO_UNKNOWN_OUTCOME',
      fault: 'doubtful',
    })
  }
  assert.equal(cape.tasks.size, 1)
  const { url } = await stub(t, { body: { error: false, data: {} } })
  await using other = new CapeClient({ baseUrl: new URL(url), verifySsl: true, maxConnections: 1 })
  await assert.rejects(other.createTask(sample('a.exe'), signal), {
    code: 'CUCKOO_UNKNOWN_OUTCOME',
    message: /names neither a task nor a failure: .*data/,
  })
})

test('requests keep to their bound, which only counts where CAPE asks for a token', async t => {
  const users = [{ name: 'f', keys: [KEY], rate: 3 }]
  const paced = await capeScene(
    t,
    { on: ON, users, rateWindow: 600 },
    { apiToken: KEY, requestsPerMinute: 300, requestsPerSample: 4 },
  )
  // 300 in a minute are 3 in 600 ms.
  assert.equal(paced.client.intervalMs, 200)
  assert.match(paced.notices.join(), /^$/)
  await paced.client.status(signal)
  await paced.client.status(signal)
  assert.match(paced.notices.join(), /^\S+: at most 300 requests a minute, about 75 samples \(RequestsPerMinute\)$/)
  const free = await capeScene(t, { on: ON }, { requestsPerMinute: 1 })
  for (let n = 0; n < 20; n += 1) await free.client.status(signal)
  assert.equal(free.client.intervalMs, 0)
})
