import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { serverTime } from '../src/index.js'
import { bottlePage, flaskPage, stub } from './stub.js'

const { signal } = new AbortController()

/** A task as 1.2 shows it, in lists and alone. */
const task12 = {
  id: 31,
  status: 'reported',
  custom: 'c-1',
  completed_on: '2026-11-21 18:43:49',
  errors: [],
  guest: { id: 31, started_on: '2026-11-21 18:43:49' },
  options: 'free=yes',
  sample: { id: 4, md5: '0a34e70d416e3c0fb0e7bfbb6758ce31', sha256: '3a60b8d7', ssdeep: null },
}

describe('status', () => {
  const tasks = { reported: 23, completed: 1, total: 25, running: 1, pending: 0 }
  const none = { reported: 0, completed: 0, total: 0, running: 0, pending: 0 }

  test('of 1.2 has counters and no free space', async t => {
    const { client, received } = await stub(t, {
      body: { tasks, version: '1.2', hostname: 'vm', machines: { available: 0, total: 0 } },
    })
    const expected = { version: '1.2', ...tasks, tasksKnown: true, instance: undefined, freeBytes: undefined }
    assert.deepEqual(await client.status(signal), expected)
    assert.deepEqual(received, [{ line: 'GET /cuckoo/status', connection: 'close', form: undefined }])
  })

  test('takes free space from the best place that the server names', async t => {
    const disk = (free: number) => ({ free, total: 270553174016, used: 1 })
    const places = [
      { binaries: disk(4), samples: disk(3), reports: disk(2), analyses: disk(1) },
      { binaries: disk(4), samples: disk(3), reports: disk(2) },
      { binaries: disk(4), samples: disk(3) },
      { binaries: disk(4), analyses: {} },
      {},
    ]
    const { client } = await stub(t, ...places.map(diskspace => ({ body: { version: '2.0.7', tasks, diskspace } })))
    const free: unknown[] = []
    for (const _place of places) free.push((await client.status(signal)).freeBytes)
    assert.deepEqual(free, [1, 2, 3, 4, undefined])
  })

  test('knows that counters of 0 may be those of a failing database, unless machines are listed', async t => {
    const { client } = await stub(
      t,
      { body: { tasks: none, machines: { available: 0, total: 0 } } },
      { body: { tasks: {} } },
      { body: { tasks: none, machines: { available: 0, total: 2 } } },
      { body: { tasks: { ...none, total: 1 } } },
    )
    const known: boolean[] = []
    for (let i = 0; i < 4; i += 1) known.push((await client.status(signal)).tasksKnown)
    assert.deepEqual(known, [false, false, true, true])
  })

  test('without a version has none', async t => {
    const { client, url } = await stub(t, { body: { tasks } }, { body: { tasks, version: 7 } })
    assert.deepEqual([(await client.status(signal)).version, (await client.status(signal)).version], ['', ''])
    assert.equal(client.baseUrl, url)
  })

  test('is refused when it is that of another API', async t => {
    const { client } = await stub(
      t,
      { body: { error: false } },
      { body: [] },
      { body: { tasks: { pending: 'many' } } },
      { body: { tasks: { running: -1 } } },
    )
    await assert.rejects(client.status(signal), { code: 'CUCKOO_UNEXPECTED_ANSWER', message: /"tasks" of the answer/ })
    await assert.rejects(client.status(signal), { code: 'CUCKOO_UNEXPECTED_ANSWER' })
    await assert.rejects(client.status(signal), { code: 'CUCKOO_UNEXPECTED_ANSWER', message: /"tasks\.pending"/ })
    await assert.rejects(client.status(signal), { code: 'CUCKOO_UNEXPECTED_ANSWER', message: /"tasks\.running"/ })
  })

  test('that is a page of a proxy is an error with its text', async t => {
    const { client } = await stub(t, { type: 'text/html', body: '<html><h1>Please log in</h1></html>' })
    await assert.rejects(client.status(signal), { code: 'HTTP_NOT_JSON', status: 200, excerpt: 'Please log in' })
  })
})

describe('a list of tasks', () => {
  test('is reduced to what is used', async t => {
    const pending = { ...task12, id: 32, status: 'pending', custom: null, completed_on: null, sample: {} }
    const { client, received } = await stub(t, {
      body: {
        tasks: [
          { ...task12, tags: ['office'] },
          { ...pending, errors: ['timeout'] },
        ],
      },
    })
    assert.deepEqual(await client.listTasks({}, signal), [
      {
        id: 31,
        phase: 'reported',
        status: 'reported',
        custom: 'c-1',
        completedOn: '2026-11-21 18:43:49',
        md5: '0a34e70d416e3c0fb0e7bfbb6758ce31',
        sha256: '3a60b8d7',
        tags: ['office'],
        errors: [],
      },
      {
        id: 32,
        phase: 'pending',
        status: 'pending',
        custom: '',
        completedOn: undefined,
        md5: undefined,
        sha256: undefined,
        tags: [],
        errors: ['timeout'],
      },
    ])
    assert.equal(received[0]?.line, 'GET /tasks/list')
  })

  test('can be narrowed by phase and whole seconds, and has no limit', async t => {
    const { client, received } = await stub(t, ...Array.from({ length: 6 }, () => ({ body: { tasks: [] } })))
    await client.listTasks({ phase: 'reported', completedAfter: 1_700_000_000.9 }, signal)
    for (const phase of ['pending', 'running', 'processing', 'failed'] as const) {
      await client.listTasks({ phase }, signal)
    }
    assert.deepEqual(
      received.map(({ line }) => line),
      [
        'GET /tasks/list?status=reported&completed_after=1700000000',
        'GET /tasks/list?status=pending',
        'GET /tasks/list?status=running',
        'GET /tasks/list?status=completed',
        'GET /tasks/list?status=failed_analysis',
        'GET /tasks/list?status=failed_processing',
      ],
    )
  })

  test('is read without the rows that cannot be read', async t => {
    const rows = [{ ...task12, id: '31' }, { ...task12, status: null }, {}, { ...task12, id: 32 }]
    const { client } = await stub(t, { body: { tasks: rows } })
    const ids = (await client.listTasks({}, signal)).map(({ id }) => id)
    assert.deepEqual(ids, [32])
    const broken = await stub(t, { body: '{"tasks": [null, {"id": tru}, {"id": 3, "status": "running"}, "x"]}' })
    assert.deepEqual(
      (await broken.client.listTasks({}, signal)).map(({ id }) => id),
      [3],
    )
  })

  test('without tasks is an error', async t => {
    const { client } = await stub(t, { body: { data: [] } })
    await assert.rejects(client.listTasks({}, signal), { code: 'HTTP_NOT_JSON' })
  })

  test('has at most 256 MiB', async t => {
    const { client } = await stub(t, { body: '{}', length: 256 * 2 ** 20 + 1 })
    await assert.rejects(client.listTasks({}, signal), { code: 'HTTP_BODY_TOO_LARGE' })
  })

  test('that has NaN in it is read', async t => {
    const { client } = await stub(t, {
      body: '{"tasks": [{"id": 3, "status": "running", "duration": NaN}], "x": -Infinity}',
    })
    assert.deepEqual(
      (await client.listTasks({}, signal)).map(({ id }) => id),
      [3],
    )
  })
})

describe('a single task', () => {
  test('of 2.0 has a date of the other form', async t => {
    const { client, received } = await stub(t, {
      body: { task: { ...task12, completed_on: 'Sat, 21 Nov 2026 18:43:49 GMT', options: {}, duration: 0 } },
    })
    const task = await client.viewTask(31, signal)
    assert.equal(task?.completedOn, 'Sat, 21 Nov 2026 18:43:49 GMT')
    assert.equal(serverTime(task.completedOn), serverTime('2026-11-21 18:43:49'))
    assert.equal(received[0]?.line, 'GET /tasks/view/31')
  })

  test('that does not exist keeps no connection, however long the page is that says so', async t => {
    const long = { status: 404, body: 'x'.repeat(2 ** 20) }
    const { client } = await stub(t, long, long, { ...long, status: 400 }, { body: { task: task12 } })
    assert.equal(await client.viewTask(31, signal), undefined)
    assert.equal(await client.report(31, signal), undefined)
    assert.equal(await client.reportAs(31, 'html', signal), undefined)
    assert.equal((await client.viewTask(31, signal))?.id, 31)
  })

  test('that does not exist is undefined', async t => {
    const { client } = await stub(t, bottlePage('404 Not Found', 'Task not found'), {
      status: 404,
      body: { message: 'Task not found' },
    })
    assert.deepEqual([await client.viewTask(1, signal), await client.viewTask(1, signal)], [undefined, undefined])
  })

  test('without its fields is an error', async t => {
    const { client } = await stub(t, { body: {} }, { body: { task: { id: 1 } } })
    await assert.rejects(client.viewTask(1, signal), { code: 'CUCKOO_UNEXPECTED_ANSWER' })
    await assert.rejects(client.viewTask(1, signal), { message: /"task\.status"/ })
  })

  for (const id of [0, -1, 1.5, Number.NaN, 2 ** 53]) {
    test(`is not asked for by the id ${id}`, async t => {
      const { client, received } = await stub(t)
      await assert.rejects(client.viewTask(id, signal), RangeError)
      await assert.rejects(client.report(id, signal), RangeError)
      await assert.rejects(client.dropped(id, {}, signal), RangeError)
      await assert.rejects(client.deleteTask(id, signal), RangeError)
      assert.equal(received.length, 0)
    })
  }
})

describe('a download', () => {
  test('is streamed, whatever its content type', async t => {
    const { client, received } = await stub(
      t,
      { type: 'text/html; charset=UTF-8', body: '{"info": {}}' },
      { type: 'application/x-tar; charset=UTF-8', body: Buffer.from('BZh9') },
      { body: Buffer.from([0x1f, 0x8b]) },
    )
    const report = await client.report(7, signal)
    assert.equal(report?.contentLength, 12)
    assert.equal(await report.text(12), '{"info": {}}')
    assert.equal(await (await client.dropped(7, {}, signal))?.text(4), 'BZh9')
    const archive = await client.dropped(7, { compression: 'gz' }, signal)
    archive?.discard()
    assert.deepEqual(
      received.map(({ line }) => line),
      ['GET /tasks/report/7', 'GET /tasks/report/7/dropped', 'GET /tasks/report/7/dropped?tar=gz'],
    )
  })

  test('of a report that does not exist is undefined', async t => {
    const notFound = { status: 404, body: { message: 'Report not found' } }
    const { client } = await stub(t, bottlePage('404 Not Found', 'Report not found'), notFound)
    assert.equal(await client.report(7, signal), undefined)
    assert.equal(await client.report(7, signal), undefined)
  })

  test('of dropped files of a deleted task is undefined, although Cuckoo answers 500', async t => {
    const { client, received } = await stub(
      t,
      flaskPage(500, 'Internal Server Error'),
      { status: 404, body: { message: 'Task not found' } },
      flaskPage(404, 'Not Found'),
    )
    assert.equal(await client.dropped(7, { compression: 'gz' }, signal), undefined)
    assert.equal(received[1]?.line, 'GET /tasks/view/7')
    assert.equal(await client.dropped(7, {}, signal), undefined)
  })

  test('of a capture or of pictures goes to their own routes, of what only other sandboxes have to a format of the report', async t => {
    const pcap = { type: 'application/vnd.tcpdump.pcap', body: Buffer.from('d4c3b2a1', 'hex') }
    const zip = { type: 'application/zip', body: 'PK' }
    const { client, received } = await stub(t, pcap, zip, zip, zip)
    for (const artifact of ['pcap', 'screenshots', 'payloads', 'procdump'] as const) {
      const response = await client.artifact(7, artifact, signal)
      assert.ok(response !== 'none')
      response.discard()
    }
    assert.deepEqual(
      received.map(({ line }) => line),
      ['GET /pcap/get/7', 'GET /tasks/screenshots/7', 'GET /tasks/report/7/payloads', 'GET /tasks/report/7/procdump'],
    )
  })

  test('of an artifact that the task has not is none: 404, or 400 for a format that Cuckoo does not know', async t => {
    const { client } = await stub(
      t,
      bottlePage('404 Not Found', 'File not found'),
      { status: 400, body: { message: 'Invalid report format' } },
      flaskPage(500, 'Internal Server Error'),
    )
    assert.equal(await client.artifact(7, 'pcap', signal), 'none')
    assert.equal(await client.artifact(7, 'payloads', signal), 'none')
    await assert.rejects(client.artifact(7, 'pcap', signal), { code: 'HTTP_STATUS', status: 500 })
    await assert.rejects(client.artifact(0, 'pcap', signal), RangeError)
  })

  test('of dropped files that fails otherwise says nothing about the task', async t => {
    const { client, received } = await stub(t, flaskPage(502, 'Bad Gateway'))
    await assert.rejects(client.dropped(31, {}, signal), { status: 502 })
    assert.equal(received.length, 1)
  })

  test('of dropped files of a task that lost its folder is an error', async t => {
    const { client } = await stub(t, flaskPage(500, 'Internal Server Error'), { body: { task: task12 } })
    await assert.rejects(client.dropped(31, {}, signal), { code: 'HTTP_STATUS', status: 500 })
  })
})

describe('deleting', () => {
  const found = { body: { task: task12 } }
  const tagged = { body: { task: { ...task12, tags: ['office'] } } }
  const version = (text?: string) => ({ body: { version: text, tasks: { total: 1 } } })

  test('tells whether the task was deleted, gone before, or is running', async t => {
    const busy = 'The task is currently being processed, cannot delete'
    const { client, received } = await stub(
      t,
      found,
      { body: { status: 'OK' } },
      bottlePage('404 Not Found', 'Task not found'),
      found,
      { status: 404, body: { message: 'Task not found' } },
      found,
      bottlePage('500 Internal Server Error', busy),
      found,
      { status: 500, body: { message: busy } },
    )
    const outcomes: string[] = []
    for (let i = 0; i < 5; i += 1) outcomes.push(await client.deleteTask(29, signal))
    assert.deepEqual(outcomes, ['deleted', 'gone', 'gone', 'busy', 'busy'])
    assert.equal(received[1]?.line, 'GET /tasks/delete/29')
  })

  for (const text of ['1.2', '1.3-dev', '', undefined, 'ours-1.0']) {
    test(`spares a tagged task where others would go with it (version ${text})`, async t => {
      const { client, received } = await stub(t, tagged, version(text))
      assert.equal(await client.deleteTask(29, signal), 'kept')
      assert.equal(received.length, 2)
    })
  }

  for (const text of ['2.0.7', '2.0-dev', '2.0-distributed']) {
    test(`does not spare a tagged task where only that one goes (version ${text})`, async t => {
      const { client } = await stub(t, tagged, version(text), { body: { status: 'OK' } })
      assert.equal(await client.deleteTask(29, signal), 'deleted')
    })
  }

  test('that fails is an error', async t => {
    const message = 'An error occurred while trying to delete the task'
    const failed = { status: 500, body: { message } }
    const { client } = await stub(t, found, failed, found, { body: { error: true } }, found, { cut: true })
    await assert.rejects(client.deleteTask(29, signal), { status: 500 })
    await assert.rejects(client.deleteTask(29, signal), { code: 'CUCKOO_UNEXPECTED_ANSWER' })
    await assert.rejects(client.deleteTask(29, signal), { code: 'HTTP_NETWORK' })
  })
})

test('a date that is in neither form has no server time', () => {
  for (const date of ['', 'today', '2026-11-21', '2026-11-21T18:43:49', '1700000000', '2026-13-41 00:00:00']) {
    assert.equal(serverTime(date), undefined, date)
  }
})
