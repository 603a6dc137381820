import assert from 'node:assert/strict'
import test from 'node:test'
import type { CuckooVersion } from '../src/cuckoo/index.js'
import { waitFor } from '../src/wait-for.js'
import { create, FORM_TYPE, form, getJson, open, readAll, reported, send, start, upload } from './cuckoo-client.js'

test('an answer is HTTP/1.0 with a length, and the connection is closed after it even if the client wants to keep it', async t => {
  const cuckoo = await start(t)
  const text = await readAll(
    await open(cuckoo.url, 'GET /cuckoo/status HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n'),
  )
  const [head = '', body = ''] = text.split('\r\n\r\n')
  assert.match(head, /^HTTP\/1\.0 200 OK\r\n/)
  assert.match(head, new RegExp(`\r\nContent-Length: ${body.length}$`))
  assert.match(head, /\r\nServer: Machete Server\r\n/)
})

test('one idle connection blocks every other client until it is closed', async t => {
  const cuckoo = await start(t)
  const idle = await open(cuckoo.url)
  const waiting = send(`${cuckoo.url}/cuckoo/status`)
  await waitFor(() => cuckoo.peakConnections === 2, { describe: 'both connections to be accepted' })
  assert.equal(cuckoo.journal.length, 0)
  idle.destroy()
  assert.equal((await waiting).status, 200)
})

test('a client that gave up while it waited has its upload stored all the same', async t => {
  const cuckoo = await start(t)
  cuckoo.faults.next({ kind: 'slow', milliseconds: 30 })
  const idle = await open(cuckoo.url)
  const body = form({})
  const impatient = await open(
    cuckoo.url,
    `POST /tasks/create/file HTTP/1.1\r\nHost: x\r\nContent-Type: ${FORM_TYPE['content-type']}\r\nContent-Length: ${body.length}\r\n\r\n`,
  )
  impatient.end(body)
  await waitFor(() => cuckoo.peakConnections === 2, { describe: 'both connections to be accepted' })
  idle.destroy()
  await waitFor(() => cuckoo.submissions.length === 1, { describe: 'the task' })
  impatient.destroy()
})

test('with singleThreaded off an idle connection blocks nobody', async t => {
  const cuckoo = await start(t, { singleThreaded: false })
  const idle = await open(cuckoo.url)
  assert.equal((await send(`${cuckoo.url}/cuckoo/status`)).status, 200)
  idle.destroy()
})

test('as many tasks run at a time as there are machines, urgent ones first, and each goes through the states in order', async t => {
  const cuckoo = await start(t, { machines: 2, analysisTime: Number.POSITIVE_INFINITY })
  for (const priority of ['1', '1', '1', '3']) await create(cuckoo.url, { fields: { priority } })
  const status = await getJson(`${cuckoo.url}/cuckoo/status`)
  assert.deepEqual(status.tasks, { reported: 0, completed: 0, total: 4, running: 2, pending: 2 })
  assert.deepEqual(status.machines, { available: 0, total: 2 })
  cuckoo.move(1, 'completed')
  assert.equal(cuckoo.tasks.get(4)?.status, 'running')
  await reported(cuckoo, 1)
  assert.deepEqual(
    cuckoo.tasks.get(1)?.history.map(({ status }) => status),
    ['pending', 'running', 'completed', 'reported'],
  )
})

test('a list is filtered by status and by when the machine was done, and rows without that date come first', async t => {
  const cuckoo = await start(t, {
    version: '2.0',
    machines: 1,
    analysisTime: task => (task.id === 2 ? Number.POSITIVE_INFINITY : 0),
  })
  await create(cuckoo.url)
  await reported(cuckoo, 1)
  await create(cuckoo.url)
  const ids = async (query: string): Promise<number[]> => {
    const { tasks } = await getJson(`${cuckoo.url}/tasks/list${query}`)
    return (tasks as { id: number }[]).map(({ id }) => id)
  }
  const now = Math.floor(Date.now() / 1000)
  assert.deepEqual(await ids(''), [2, 1])
  assert.deepEqual(await ids('/1'), [2])
  assert.deepEqual(await ids('/1/1'), [1])
  assert.deepEqual(await ids('?status=reported'), [1])
  assert.deepEqual(await ids(`?completed_after=${now - 3600}`), [1])
  assert.deepEqual(await ids(`?completed_after=${now + 3600}`), [])
})

test('1.2 answers an empty list when a limit is given, and the client is told that it should not', async t => {
  const cuckoo = await start(t)
  await create(cuckoo.url)
  assert.deepEqual(await getJson(`${cuckoo.url}/tasks/list/50?status=pending`), { tasks: [] })
  assert.deepEqual(
    cuckoo.violations.map(({ rule }) => rule),
    ['list-limit'],
  )
  assert.equal(((await getJson(`${cuckoo.url}/tasks/list`)).tasks as unknown[]).length, 1)
})

const dates: Readonly<Record<CuckooVersion, RegExp>> = {
  '1.2': /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/,
  '1.3': /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/,
  '2.0-dev': /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/,
  '2.0': /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/,
}
for (const [version, spelling] of Object.entries(dates)) {
  test(`${version}: dates of a view`, async t => {
    const cuckoo = await start(t, { version: version as CuckooVersion })
    await create(cuckoo.url, { fields: { options: 'free=yes' } })
    const { task } = (await getJson(`${cuckoo.url}/tasks/view/1`)) as { task: Record<string, unknown> }
    assert.match(String(task.added_on), spelling)
    assert.deepEqual(task.options, version === '2.0' ? { free: 'yes' } : 'free=yes')
  })
}

test('free space is shown where the version has it, and can run low', async t => {
  const old = await start(t)
  assert.equal('diskspace' in (await getJson(`${old.url}/cuckoo/status`)), false)
  old.diskspace = { free: 5, total: 10, used: 5 }
  const patched = { free: 5, total: 10, used: 5 }
  assert.deepEqual((await getJson(`${old.url}/cuckoo/status`)).diskspace, { reports: patched, samples: patched })
  const later = await start(t, { version: '2.0', diskspace: { free: 1, total: 10, used: 9 } })
  const shown = { free: 1, total: 10, used: 9 }
  assert.deepEqual((await getJson(`${later.url}/cuckoo/status`)).diskspace, { analyses: shown, binaries: shown })
  later.diskspace = {}
  assert.deepEqual((await getJson(`${later.url}/cuckoo/status`)).diskspace, {})
})

test('the id of the newest task comes back after it was deleted, and all ids after a clean', async t => {
  const cuckoo = await start(t)
  await create(cuckoo.url)
  await create(cuckoo.url)
  await reported(cuckoo, 2)
  assert.equal((await send(`${cuckoo.url}/tasks/delete/2`)).status, 200)
  assert.equal(await create(cuckoo.url), 2)
  assert.equal(cuckoo.submissions.length, 3)
  cuckoo.clean()
  assert.equal(await create(cuckoo.url), 1)
})

test('with an api token every request needs exactly the Bearer header', async t => {
  const cuckoo = await start(t, { version: '2.0', apiToken: 'YS1aVceseEXX' })
  const status = async (authorization?: string): Promise<number> =>
    (await send(`${cuckoo.url}/cuckoo/status`, { headers: authorization === undefined ? {} : { authorization } }))
      .status
  assert.equal(await status(), 401)
  assert.equal(await status('bearer YS1aVceseEXX'), 401)
  assert.equal(await status('Bearer  YS1aVceseEXX'), 401)
  assert.equal(await status('Bearer YS1aVceseEXX'), 200)
  const refused = await upload(cuckoo.url)
  assert.equal(refused.status, 401)
  assert.match(
    refused.body.toString(),
    /Authentication in the form of an 'Authorization: Bearer <TOKEN>' header is required/,
  )
})

test('a sample can be looked up by its hash, on 2.0 with the tasks it has', async t => {
  const cuckoo = await start(t, { version: '2.0' })
  await create(cuckoo.url, { content: 'same' })
  await create(cuckoo.url, { content: 'same' })
  await create(cuckoo.url, { content: 'other' })
  const sha256 = cuckoo.tasks.get(1)?.sample.sha256
  const { sample } = (await getJson(`${cuckoo.url}/files/view/sha256/${sha256}`)) as { sample: Record<string, unknown> }
  assert.deepEqual(sample.tasks, [1, 2])
})

for (const version of ['1.2', '1.3'] as const) {
  test(`${version} deletes with a tagged task every other task and machine that has one of its tags`, async t => {
    const machineTags = [['office', 'xp'], ['w7']]
    const cuckoo = await start(t, { version, machineTags, analysisTime: Number.POSITIVE_INFINITY, machines: 3 })
    for (const tags of ['office,x', 'office', 'x', 'w7', '']) await create(cuckoo.url, { fields: { tags } })
    cuckoo.move(1, 'reported')
    await send(`${cuckoo.url}/tasks/delete/1`)
    assert.deepEqual([...cuckoo.tasks.keys()], [4, 5])
    const { machines } = await getJson(`${cuckoo.url}/machines/list`)
    assert.ok(Array.isArray(machines))
    assert.deepEqual(
      machines.map(({ name }) => name),
      ['cuckoo2', 'cuckoo3'],
    )
  })
}

for (const version of ['2.0-dev', '2.0'] as const) {
  test(`${version} deletes only the task, and a task without tags is deleted alone everywhere`, async t => {
    const cuckoo = await start(t, { version, machineTags: [['office']] })
    for (const tags of ['office', 'office', '']) await create(cuckoo.url, { fields: { tags } })
    await reported(cuckoo, 1)
    await send(`${cuckoo.url}/tasks/delete/1`)
    assert.deepEqual([...cuckoo.tasks.keys()], [2, 3])
  })
}

test('a task that is rescheduled goes on as a new one with the same mark and file', async t => {
  const cuckoo = await start(t, { analysisTime: Number.POSITIVE_INFINITY })
  await create(cuckoo.url, { fields: { custom: 'mine' } })
  const next = cuckoo.reschedule(1)
  assert.equal(cuckoo.tasks.get(1)?.status, 'recovered')
  assert.deepEqual([next.id, next.custom, next.sample.md5], [2, 'mine', cuckoo.tasks.get(1)?.sample.md5])
  assert.equal(next.status, 'running')
})
