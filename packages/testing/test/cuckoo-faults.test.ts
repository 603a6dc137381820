import assert from 'node:assert/strict'
import test from 'node:test'
import { memoryBody, spool } from '../src/cuckoo/index.js'
import { waitFor } from '../src/wait-for.js'
import { create, FORM_TYPE, form, getJson, open, readAll, reported, send, start, upload } from './cuckoo-client.js'

test('a locked database answers 404, an empty list, zero counters and task_id null, once', async t => {
  const cuckoo = await start(t)
  await create(cuckoo.url)
  for (const path of ['/tasks/view/1', '/tasks/list', '/machines/list', '/cuckoo/status', '/tasks/create/file']) {
    cuckoo.faults.next({ kind: 'databaseError', match: { path } })
  }
  assert.equal((await send(`${cuckoo.url}/tasks/view/1`)).status, 404)
  assert.deepEqual(await getJson(`${cuckoo.url}/tasks/list`), { tasks: [] })
  assert.deepEqual(await getJson(`${cuckoo.url}/machines/list`), { machines: [] })
  const { tasks, machines } = await getJson(`${cuckoo.url}/cuckoo/status`)
  assert.deepEqual(tasks, { reported: 0, completed: 0, total: 0, running: 0, pending: 0 })
  assert.deepEqual(machines, { available: 0, total: 0 })
  assert.match((await upload(cuckoo.url)).body.toString(), /"task_id": null/)
  assert.equal(cuckoo.faults.pending, 0)
  assert.equal((await send(`${cuckoo.url}/tasks/view/1`)).status, 200)
  assert.equal(cuckoo.submissions.length, 1)
})

test('a scripted status comes with its headers and stores nothing', async t => {
  const cuckoo = await start(t)
  cuckoo.faults.next({ kind: 'status', status: 429, headers: { 'retry-after': '7' } })
  cuckoo.faults.next({ kind: 'status', status: 500 })
  cuckoo.faults.next({ kind: 'html200' })
  const [throttled, failed, login] = [await upload(cuckoo.url), await upload(cuckoo.url), await upload(cuckoo.url)]
  assert.deepEqual([throttled.status, throttled.headers['retry-after']], [429, '7'])
  assert.deepEqual([failed.status, login.status], [500, 200])
  assert.match(login.body.toString(), /^<html>/)
  assert.equal(cuckoo.submissions.length, 0)
  assert.deepEqual(
    cuckoo.journal.map(({ status }) => status),
    [429, 500, 200],
  )
})

test('an answer lost after the store leaves a task and no answer', async t => {
  const cuckoo = await start(t)
  cuckoo.faults.next({ kind: 'lostAfterStore', match: { method: 'POST' } })
  await assert.rejects(upload(cuckoo.url))
  assert.equal(cuckoo.submissions.length, 1)
  assert.equal(cuckoo.journal[0]?.status, 0)
})

test('a reset during the upload leaves nothing', async t => {
  const cuckoo = await start(t)
  cuckoo.faults.next({ kind: 'resetMidUpload', afterBytes: 1000 })
  await assert.rejects(upload(cuckoo.url, { content: Buffer.alloc(3_000_000) }))
  assert.equal(cuckoo.submissions.length, 0)
  assert.equal((await upload(cuckoo.url)).status, 200)
})

test('a client that leaves in the middle of its upload leaves nothing, and the next one is served', async t => {
  const cuckoo = await start(t)
  const body = form({ content: Buffer.alloc(200_000) })
  const leaving = await open(
    cuckoo.url,
    `POST /tasks/create/file HTTP/1.1\r\nHost: x\r\nContent-Type: ${FORM_TYPE['content-type']}\r\nContent-Length: ${body.length}\r\n\r\n`,
  )
  leaving.write(body.subarray(0, 100_000))
  await waitFor(() => cuckoo.journal.length === 1, { describe: 'the request' })
  leaving.destroy()
  assert.equal((await upload(cuckoo.url)).status, 200)
  assert.equal(cuckoo.submissions.length, 1)
})

test('a hanging request keeps the only thread until its client goes away', async t => {
  const cuckoo = await start(t)
  cuckoo.faults.next({ kind: 'hang' })
  const hanging = await open(cuckoo.url, 'GET /cuckoo/status HTTP/1.1\r\nHost: x\r\n\r\n')
  await waitFor(() => cuckoo.journal.length === 1, { describe: 'the hanging request' })
  const waiting = send(`${cuckoo.url}/cuckoo/status`)
  await waitFor(() => cuckoo.peakConnections === 2, { describe: 'the second connection' })
  assert.equal(cuckoo.journal.length, 1)
  hanging.destroy()
  assert.equal((await waiting).status, 200)
})

test('a cut answer announces its length and ends before it', async t => {
  const cuckoo = await start(t, { report: () => '{"info": {}}'.padEnd(50_000) })
  await create(cuckoo.url)
  await reported(cuckoo, 1)
  cuckoo.faults.next({ kind: 'cutAnswer', afterBytes: 20_000, match: { path: /report/ } })
  const text = await readAll(await open(cuckoo.url, 'GET /tasks/report/1 HTTP/1.1\r\nHost: x\r\n\r\n'))
  assert.match(text, /Content-Length: 50000\r\n/)
  assert.equal(text.split('\r\n\r\n')[1]?.length, 20_000)
})

test('an answer that drips comes byte by byte, and ends with its client', async t => {
  const cuckoo = await start(t, { report: () => '{"info": {}}' })
  await create(cuckoo.url)
  await reported(cuckoo, 1)
  cuckoo.faults.next({ kind: 'drip', everyMs: 1, match: { path: /report/ } })
  assert.equal((await send(`${cuckoo.url}/tasks/report/1`)).body.toString(), '{"info": {}}')
  cuckoo.faults.next({ kind: 'drip', everyMs: 10, match: { path: /report/ } })
  const client = await open(cuckoo.url, 'GET /tasks/report/1 HTTP/1.1\r\nHost: x\r\n\r\n')
  await waitFor(() => (cuckoo.journal.at(-1)?.sent ?? 0) > 2, { describe: 'the third byte' })
  client.destroy()
  assert.equal((await send(`${cuckoo.url}/cuckoo/status`)).status, 200)
  assert((cuckoo.journal.at(-2)?.sent ?? 0) < '{"info": {}}'.length)
})

test('down refuses connections while analyses go on, and up answers on the same port', async t => {
  const cuckoo = await start(t)
  const { url } = cuckoo
  await create(url)
  await cuckoo.down()
  await assert.rejects(send(`${url}/cuckoo/status`), { code: 'ECONNREFUSED' })
  await reported(cuckoo, 1)
  await cuckoo.up()
  assert.equal(cuckoo.url, url)
  assert.equal((await send(`${url}/tasks/view/1`)).status, 200)
})

test('tasks can fail, stay completed, lack a report, or vanish', async t => {
  const cuckoo = await start(t, {
    machines: 9,
    analysisTime: Number.POSITIVE_INFINITY,
    processingTime: Number.POSITIVE_INFINITY,
    report: () => null,
  })
  for (let count = 0; count < 4; count++) await create(cuckoo.url)
  cuckoo.move(1, 'failed_analysis', 'The analysis hit the critical timeout, terminating.')
  cuckoo.move(2, 'completed')
  cuckoo.move(3, 'reported')
  cuckoo.vanish(4)
  const view = async (id: number) => (await getJson(`${cuckoo.url}/tasks/view/${id}`)).task as Record<string, unknown>
  const failed = await view(1)
  assert.deepEqual([failed.status, failed.completed_on], ['failed_analysis', null])
  assert.deepEqual(failed.errors, ['The analysis hit the critical timeout, terminating.'])
  assert.equal((await view(2)).status, 'completed')
  assert.notEqual((await view(2)).completed_on, null)
  assert.equal((await send(`${cuckoo.url}/tasks/report/2`)).status, 404)
  assert.equal((await view(3)).status, 'reported')
  assert.equal((await send(`${cuckoo.url}/tasks/report/3`)).status, 404)
  assert.equal((await send(`${cuckoo.url}/tasks/view/4`)).status, 404)
  assert.throws(() => cuckoo.vanish(4), RangeError)
})

test('a spooled body of any size is served with its length and can be served again', async t => {
  const chunk = Buffer.alloc(1_000_000, 'x')
  const body = await spool(
    (async function* () {
      for (let count = 0; count < 60; count++) yield chunk
    })(),
  )
  t.after(() => body.close())
  const cuckoo = await start(t, { report: () => body, dropped: () => memoryBody('ready') })
  await create(cuckoo.url)
  await reported(cuckoo, 1)
  for (let round = 0; round < 2; round++) {
    const answer = await send(`${cuckoo.url}/tasks/report/1`)
    assert.equal(answer.headers['content-length'], '60000000')
    assert.equal(answer.body.length, 60_000_000)
  }
  assert.equal((await send(`${cuckoo.url}/tasks/report/1/dropped`)).body.toString(), 'ready')
})

test('a client that leaves in the middle of a download frees the thread', async t => {
  const cuckoo = await start(t, { report: () => memoryBody(Buffer.alloc(50_000_000)) })
  await create(cuckoo.url)
  await reported(cuckoo, 1)
  const leaving = await open(cuckoo.url, 'GET /tasks/report/1 HTTP/1.1\r\nHost: x\r\n\r\n')
  await waitFor(() => cuckoo.journal.some(({ path, status }) => path === '/tasks/report/1' && status === 200), {
    describe: 'the report to begin',
  })
  leaving.destroy()
  assert.equal((await send(`${cuckoo.url}/cuckoo/status`)).status, 200)
})
