/** The rest of Cuckoo's own API: several at once, parts of reports, samples, what cannot be done here. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { type TestContext, test } from 'node:test'
import type { DistributedConfig } from '../src/config.js'
import { serveScene } from './api-scene.js'
import { samplesIn } from './contract-scene.js'
import { makeScene } from './dispatch-scene.js'
import { startFakeNode } from './fake-node.js'

/** A server with one finished task whose node gave this report. */
async function reported(t: TestContext, report: string, config: Partial<DistributedConfig> = {}) {
  const scene = await makeScene(t, config)
  const node = await startFakeNode()
  t.after(() => node.close())
  node.newStatus = 'reported'
  node.reports.set('json', report).set('all', 'tar of all').set('html', '<p>')
  await scene.addNode('n1', node.url)
  const id = await scene.addTask('MZ')
  scene.start()
  await scene.reaches(id, 'finished')
  return { scene, id, ...(await serveScene(t, scene)) }
}

async function submitTo(t: TestContext, config: Partial<DistributedConfig> = {}) {
  const scene = await makeScene(t, config)
  const { url } = await serveScene(t, scene)
  const submit = async (form: FormData) => {
    const response = await fetch(`${url}/tasks/create/submit`, { method: 'POST', body: form })
    return { status: response.status, ...Object(await response.json()) }
  }
  return { scene, submit }
}

function formOf(
  fields: Readonly<Record<string, string>>,
  files: readonly (readonly [part: string, content: string])[],
) {
  const form = new FormData()
  for (const [name, value] of Object.entries(fields)) form.append(name, value)
  for (const [part, content] of files) form.append(part, new Blob([content]), `${content}.exe`)
  return form
}

test('several files make several tasks, in their order, with the same options', async t => {
  const { scene, submit } = await submitTo(t)
  const files = [
    ['file', 'MZ 1'],
    ['files', 'MZ 2'],
    ['files', 'MZ 3'],
    ['other', 'MZ 4'],
  ] as const
  const { status, task_ids, errors, submit_id } = await submit(
    formOf({ timeout: '', tags: 'x', options: 'free=yes' }, files),
  )
  assert.deepEqual([status, task_ids, errors, submit_id], [200, [1, 2, 3], [], 1])
  for (const [i, id] of [1, 2, 3].entries()) {
    const task = await scene.store.tasks.get(id)
    assert.deepEqual(
      [task?.filename, task?.tags, task?.timeout, task?.options],
      [`MZ ${i + 1}.exe`, 'x', null, 'free=yes,procmemdump=yes'],
    )
  }
  assert.equal((await samplesIn(scene.folder)).length, 3)
})

test('strings are URLs, one a line; what is none is named', async t => {
  const { scene, submit } = await submitTo(t)
  const strings = ' http://a.example/x \n\nb.example/y\r\nhello\nhttps://c.example\nd41d8cd98f00b204e9800998ecf8427e'
  const { status, task_ids, errors } = await submit(formOf({ strings, options: 'procmemdump=no' }, []))
  assert.deepEqual([status, task_ids], [200, [1, 2, 3]])
  assert.deepEqual(errors, ["'hello' is not a url", "'d41d8cd98f00b204e9800998ecf8427e' is not a url"])
  const tasks = await scene.store.tasks.list({})
  assert.deepEqual(
    tasks.map(task => task.url),
    ['http://a.example/x', 'http://b.example/y', 'https://c.example'],
  )
  assert(tasks.every(task => task.options === 'procmemdump=no'))
})

test('a submission of several that is refused leaves nothing of any', async t => {
  const { scene, submit } = await submitTo(t, { MaxUpload: 10 })
  const one = ['files', 'MZ'] as const
  const cases: [form: FormData, status: number, message: RegExp][] = [
    [formOf({}, []), 400, /^No files or strings/],
    [formOf({ strings: ' \n' }, []), 400, /^No files or strings/],
    [formOf({ timeout: 'x' }, [one, one]), 400, /invalid literal .* in parameter timeout$/],
    [formOf({}, [one, ['files', '']]), 400, /^The file is empty$/],
    [
      formOf(
        {},
        Array.from({ length: 6 }, () => one),
      ),
      413,
      /Too Large/,
    ],
    [formOf({}, [['files', 'x'.repeat(11)]]), 413, /Too Large/],
    [formOf({ strings: 'a.example\n'.repeat(101) }, []), 400, /^More than 100 strings$/],
  ]
  for (const [form, expected, message] of cases) {
    const { status, message: said } = await submit(form)
    assert.equal(status, expected, String(said))
    assert.match(said, message)
  }
  assert.deepEqual([await scene.store.tasks.list({}), await samplesIn(scene.folder)], [[], []])
  assert.equal(
    (
      await submit(
        formOf(
          {},
          Array.from({ length: 5 }, () => one),
        ),
      )
    ).status,
    200,
  )
  assert.equal((await submit(formOf({ strings: 'a.example\n'.repeat(100) }, []))).status, 200)
})

test('a hundred files may come at once, and no more', async t => {
  const { scene, submit } = await submitTo(t)
  const files = (count: number) => Array.from({ length: count }, (_, i) => ['files', `MZ ${i}`] as const)
  const { status, message } = await submit(formOf({}, files(101)))
  assert.deepEqual([status, message], [400, 'More than 100 files'])
  assert.deepEqual(await samplesIn(scene.folder), [])
  assert.equal((await submit(formOf({}, files(100)))).task_ids.length, 100)
})

test('one section of a report is served alone', async t => {
  const report = { info: { id: 1, score: 2.5 }, debug: null, malscore: 7, signatures: [{ name: 'späm' }], target: {} }
  const { id, app } = await reported(t, JSON.stringify(report))
  const element = (name: string, path = '') =>
    app.inject(`/tasks/report/${id}${path}?elements=${encodeURIComponent(name)}`)
  for (const name of ['info', 'malscore', 'signatures', 'target'] as const) {
    const { statusCode, body, headers } = await element(name)
    assert.deepEqual([statusCode, JSON.parse(body)], [200, report[name]], name)
    assert.deepEqual([headers['content-type'], headers['content-security-policy']], ['application/json', 'sandbox'])
  }
  assert.deepEqual((await element('info', '/json')).json(), report.info)
  for (const name of ['nope', 'debug', '', 'constructor', 'score']) {
    const { statusCode, body } = await element(name)
    assert.deepEqual([statusCode, JSON.parse(body).message], [404, `'${name}' not found`])
  }
  assert.match((await element('info', '/dropped')).json().message, /not available in DROPPED format/)
})

test('a section that is too large is named as such', async t => {
  const report = `{"info": {"id": 1}, "strings": ["${'x'.repeat(17 * 2 ** 20)}"], "signatures": []}`
  const { id, app } = await reported(t, report)
  const answer = await app.inject(`/tasks/report/${id}?elements=strings`)
  assert.deepEqual(
    [answer.statusCode, answer.json().message],
    [500, 'The element is too large; fetch the whole report'],
  )
  assert.deepEqual((await app.inject(`/tasks/report/${id}?elements=signatures`)).json(), [])
  assert.deepEqual((await app.inject(`/tasks/summary/${id}`)).json(), { info: { id: 1 }, signatures: [] })
})

test('the summary is the report without its large sections', async t => {
  const calls = Array.from({ length: 1000 }, (_, i) => ({ api: `a${i}` }))
  const behavior = {
    generic: [1],
    apistats: {},
    processes: [{ calls }],
    processtree: [{ pid: 1 }],
    summary: { files: ['x'] },
  }
  const kept = {
    info: { id: 1 },
    signatures: [],
    target: { category: 'file' },
    network: { hosts: [] },
    strings: ['a"b\n'],
  }
  const report = { ...kept, procmemory: [1], debug: { log: [] }, screenshots: [], metadata: {}, behavior }
  const { id, app } = await reported(t, JSON.stringify(report))
  const { statusCode, body, headers } = await app.inject(`/v1/tasks/summary/${id}`)
  assert.equal(statusCode, 200)
  const { processtree, summary } = behavior
  assert.deepEqual(JSON.parse(body), { ...kept, behavior: { processtree, summary } })
  assert.deepEqual([headers['content-type'], headers['content-security-policy']], ['application/json', 'sandbox'])
  assert.deepEqual((await reported(t, '{}').then(empty => empty.app.inject(`/tasks/summary/${empty.id}`))).json(), {})
})

test('formats that are not fetched have no report, and those that no Cuckoo has are refused', async t => {
  const { id, app, scene } = await reported(t, '{"info": {"id": 1}}', { ReportFormats: ['all', 'own'] })
  const statusOf = async (format: string) => (await app.inject(`/tasks/report/${id}/${format}`)).statusCode
  assert.deepEqual(
    [await statusOf('all'), await statusOf('ALL'), await statusOf('html'), await statusOf('maec')],
    [200, 200, 404, 404],
  )
  assert.deepEqual([await statusOf('package_files'), await statusOf('own'), await statusOf('nope')], [404, 404, 400])
  assert.equal((await app.inject(`/tasks/report/${id}/all`)).body, 'tar of all')
  const waiting = await scene.addTask('MZ', { tags: 'nobody' })
  for (const path of [
    `/tasks/report/${waiting}`,
    `/tasks/summary/${waiting}`,
    `/tasks/report/${waiting}?elements=info`,
  ]) {
    assert.equal((await app.inject(path)).statusCode, 404, path)
  }
})

test('HEAD answers as GET does, without a body, on every resource that only reads', async t => {
  const { id, app, scene } = await reported(t, '{"info": {"id": 1}}')
  const kept = await scene.addTask('MZ kept', { tags: 'nobody' })
  const { sha256, md5 } = (await scene.store.tasks.get(kept)) ?? {}
  for (const url of [
    ...[`/tasks/view/${id}`, '/tasks/list', `/tasks/report/${id}`, `/tasks/report/${id}/json?elements=info`],
    ...[`/tasks/summary/${id}`, `/tasks/sample/${id}`, '/cuckoo/status', '/machines/list', '/machines/view/cuckoo1'],
    ...[`/files/view/sha256/${sha256}`, `/files/view/md5/${md5}`, `/files/get/${sha256}`, '/node', '/task', '/status'],
    ...['/', '/openapi.json', `/report/${id}`, '/tasks/view/99', '/machines/view/x'],
  ]) {
    const [got, head] = [await app.inject(url), await app.inject({ method: 'HEAD', url })]
    assert.deepEqual([head.statusCode, head.body], [got.statusCode, ''], url)
    assert.equal(head.headers['content-type'], got.headers['content-type'], url)
  }
  for (const url of [`/tasks/delete/${kept}`, `/tasks/rereport/${id}`]) {
    assert.equal((await app.inject({ method: 'HEAD', url })).statusCode, 405, url)
  }
})

test('a report cannot be made again, and that is said', async t => {
  const { id, app } = await reported(t, '{"info": {"id": 1}}')
  const { statusCode, body } = await app.inject(`/tasks/rereport/${id}`)
  assert.deepEqual([statusCode, JSON.parse(body).status], [501, 501])
  assert.equal((await app.inject('/tasks/rereport/99')).statusCode, 404)
})

test('tasks and samples have the members of the original', async t => {
  const { scene, id, app, client } = await reported(t, '{"info": {"id": 1}}')
  const { task } = (await app.inject(`/tasks/view/${id}`)).json()
  const { machine, guest, sample_id, sample, duration, submit_id, processing, route } = task
  assert.deepEqual([machine, sample_id, submit_id, processing, route], ['', id, null, null, null])
  const { started_on, shutdown_on, ...run } = guest
  assert.deepEqual(run, { id, task_id: id, status: 'stopped', name: '', label: '', manager: 'n1' })
  assert.deepEqual([started_on, shutdown_on], [task.started_on, task.completed_on])
  assert(duration >= 0)
  const digest = (name: string) => createHash(name).update('MZ').digest('hex')
  const known = { id, file_size: 2, file_type: '', md5: digest('md5'), sha256: digest('sha256') }
  assert.deepEqual(sample, { ...known, crc32: null, sha1: null, sha512: null, ssdeep: null })
  const waiting = await scene.addTask('MZ', { tags: 'nobody', clock: '10-21-2014 12:30:00', machine: 'm1' })
  const { task: other } = (await app.inject(`/v1/tasks/view/${waiting}`)).json()
  assert.deepEqual([other.clock, other.machine, other.duration, other.guest], ['2014-10-21 12:30:00', 'm1', -1, {}])
  const visit = await scene.addTask('', { url: 'http://a.example/', clock: '1412164800' })
  const { task: seen } = (await app.inject(`/tasks/view/${visit}`)).json()
  const local = new Date(1_412_164_800_000 - new Date(1_412_164_800_000).getTimezoneOffset() * 60_000).toISOString()
  assert.deepEqual(
    [seen.clock, seen.sample, seen.sample_id],
    [`${local.slice(0, 10)} ${local.slice(11, 19)}`, {}, null],
  )
  const listed = async (path: string) =>
    (await app.inject(path)).json().tasks.map(({ id: task }: { id: number }) => task)
  assert.deepEqual(await listed(`/tasks/sample/${id}`), [id, waiting])
  assert.deepEqual(await listed(`/tasks/sample/${visit}`), [])
  assert.equal((await client.viewTask(waiting, new AbortController().signal))?.id, waiting)
})

test('a sample is served while it is here', async t => {
  const { id, app, scene } = await reported(t, '{"info": {"id": 1}}')
  const digest = createHash('sha256').update('MZ').digest('hex')
  // That of the finished task is removed.
  assert.equal((await app.inject(`/files/get/${digest}`)).statusCode, 404)
  assert.equal((await app.inject(`/files/view/sha256/${digest}`)).json().sample.id, id)
  const again = await scene.addTask('MZ', { tags: 'nobody' })
  const { statusCode, body, headers } = await app.inject(`/files/get/${digest.toUpperCase()}`)
  assert.deepEqual([statusCode, body, headers['content-type']], [200, 'MZ', 'application/octet-stream'])
  assert.deepEqual([headers['content-security-policy'], headers['x-content-type-options']], ['sandbox', 'nosniff'])
  assert.deepEqual((await app.inject(`/files/view/id/${again}`)).json().sample.tasks, [id, again])
  for (const path of [
    `/files/get/${digest.slice(1)}`,
    `/files/get/${'x'.repeat(64)}`,
    '/files/get/..%2F..%2Fdist.db',
  ]) {
    assert.equal((await app.inject(path)).statusCode, 404, path)
  }
  const { samplePath } = (await scene.store.tasks.get(again)) ?? {}
  await rm(scene.files.samplePath(String(samplePath)))
  assert.equal((await app.inject(`/files/get/${digest}`)).statusCode, 404)
})
