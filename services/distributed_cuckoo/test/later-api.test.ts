/** The Distributed Cuckoo API of Cuckoo 2.0, under `/api`. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { waitFor } from '@cuckoo-distributed/testing'
import { sendRaw, serveScene } from './api-scene.js'
import { curl, member } from './curl.js'
import { makeNode, makeScene } from './dispatch-scene.js'
import { startFakeNode } from './fake-node.js'
import { jsonOf, pythonPost, pythonRequest } from './python-client.js'

async function served(t: TestContext) {
  const scene = await makeScene(t, { ReportFormats: ['json', 'pcap'] })
  const { url } = await serveScene(t, scene)
  const node = await makeNode(t)
  return { scene, url, node, api: `${url}/api` }
}

/** An error in the envelope of this API. */
async function refused(status: number, message: RegExp, ...args: string[]): Promise<void> {
  const answer = await curl(...args)
  assert.equal(answer.status, status, answer.text)
  assert.equal(answer.type, 'application/json')
  assert.equal(member(answer.json, 'success'), false)
  assert.match(String(member(answer.json, 'message')), message)
}

test('stuff/distributed/cluster-test.py of 2.0.7: its requests, from the nodes to the last deleted task', async t => {
  const { scene, url, node } = await served(t)
  const get = async (path: string) => jsonOf(await sendRaw(url, pythonRequest(`GET ${path}`)))
  const bare = (line: string) => sendRaw(url, pythonRequest(line, ['Content-Length: 0']))
  await curl(`${url}/api/node`, '-F', 'name=lab1', '-F', `url=${node.url}/`)
  const { nodes } = await get('/api/node')
  assert.equal(Object(nodes).lab1.enabled, true)
  const { machines } = jsonOf(await bare('POST /api/node/lab1/refresh'))
  assert(Array.isArray(machines) && machines.length > 0)
  scene.start()
  const submitted = new Map<number, string>()
  for (const { name: machine } of machines) {
    const source = '\nimport socket\ns = socket.create_connection(("google.com", 80))\n    '
    const data = { node: 'lab1', machine, options: 'json.calls=0', priority: '5', owner: 'cluster.test' }
    const post = pythonPost('/api/task', { data, files: [['file', 'internet.py', source]] })
    submitted.set(Number(jsonOf(await sendRaw(url, post)).task_id), machine)
  }
  for (const id of submitted.keys()) {
    const task = await scene.reaches(id, 'finished')
    const { pinNodeName, machine, options, priority, owner, filename } = task
    assert.deepEqual(
      [pinNodeName, machine, options, priority, owner, filename],
      ['lab1', submitted.get(id), 'json.calls=0', 5, 'cluster.test', 'internet.py'],
    )
  }
  const { tasks } = await get('/api/task?status=finished&owner=cluster.test')
  const finished = Object.values(Object(tasks)).map(task => Number(member(task, 'id')))
  assert.deepEqual(finished, [...submitted.keys()])
  for (const id of finished) {
    assert.equal(typeof (await get(`/api/report/${id}`)).network, 'object')
    assert.deepEqual(jsonOf(await bare(`DELETE /api/task/${id}`)), { success: true })
  }
  assert.deepEqual(await get('/api/task?status=finished&owner=cluster.test'), { success: true, tasks: {} })
})

test('nodes: registered by url or ip, once; shown whether enabled or not; changed, disabled and named', async t => {
  const { api, node, url } = await served(t)
  const nodes = `${api}/node`
  await refused(404, /^Missing node name$/, nodes, '-F', `url=${node.url}`)
  await refused(404, /^Missing IP address or direct URL$/, nodes, '-F', 'name=n1')
  await refused(
    404,
    /^Error connecting to Cuckoo node: connection refused\. Tried .* Check .*\.$/,
    nodes,
    '-d',
    'name=n1&url=http://127.0.0.1:1/',
  )
  await refused(400, /^Parameter url /, nodes, '-d', 'name=n1&url=file:///etc/passwd')
  await refused(400, /^Parameter mode must be normal$/, nodes, '-d', `name=n1&url=${node.url}&mode=manual`)
  const made = await curl(nodes, '-F', 'name=n1', '-F', `url=${node.url}/`, '-F', 'mode=normal')
  assert.equal(member(made.json, 'success'), true)
  await refused(409, /^There is already a node with this name$/, nodes, '-F', 'name=n1', '-F', `url=${node.url}/`)
  const shown = (await curl(`${nodes}/n1`)).json
  assert.deepEqual(Object.keys(Object(member(shown, 'nodes', 'n1'))).sort(), [
    'enabled',
    'machines',
    'mode',
    'name',
    'url',
  ])
  assert.deepEqual(member(shown, 'nodes', 'n1', 'machines'), member(made.json, 'machines'))
  assert.deepEqual((await curl(`${nodes}/zz`)).json, { success: true, nodes: {} })
  assert.deepEqual((await curl('-XPUT', `${nodes}/n1`, '-F', 'name=n2')).json, { success: true })
  const { text, type } = await curl(`${nodes}?mode=workers`)
  assert.deepEqual([text, type], ['n2', 'text/plain; charset=utf-8'])
  assert.deepEqual((await curl('-XDELETE', `${url}/api/v1/node/n2`)).json, { success: true })
  assert.equal(member((await curl(nodes)).json, 'nodes', 'n2', 'enabled'), false)
  assert.equal((await curl(`${nodes}?mode=workers`)).text, '')
  await curl('-XPUT', `${nodes}/n2`, '-d', 'enabled=1')
  assert.equal((await curl(`${nodes}?mode=workers`)).text, 'n2')
  await curl('-XPUT', `${nodes}/n2`, '-d', 'ip=::1')
  assert.equal(member((await curl(nodes)).json, 'nodes', 'n2', 'url'), 'http://[::1]:8090/')
  for (const args of [['-XPUT'], ['-XDELETE'], ['-XPOST', '/refresh']] as const) {
    await refused(404, /^No such node$/, args[0], `${nodes}/zz${args[1] ?? ''}`)
  }
})

test('tasks: what is missing is 404, dates are those of Flask, and what is not finished is 420', async t => {
  const { api, scene } = await served(t)
  await refused(404, /^No file has been provided$/, `${api}/task`, '-F', 'package=exe')
  await refused(
    404,
    /^Provided file is empty$/,
    `${api}/task`,
    '-F',
    'file=;filename=a.exe;type=application/octet-stream',
  )
  await refused(404, /^Node not found/, `${api}/task`, '-F', 'file=MZ;filename=a.exe', '-F', 'node=zz')
  await refused(400, /^invalid literal/, `${api}/task`, '-F', 'file=MZ;filename=a.exe', '-F', 'timeout=x')
  assert.deepEqual((await curl(`${api}/task`)).json, { success: true, tasks: {} })
  const fields = ['-F', 'file=MZ;filename=a.exe', '-F', 'timeout=', '-F', 'owner=me', '-F', 'priority=2']
  assert.deepEqual((await curl(`${api}/task`, ...fields)).json, { success: true, task_id: 1 })
  const { json } = await curl(`${api}/task/1`)
  const task = { ...Object(member(json, 'tasks', '1')) }
  const { status, owner, priority, platform, timeout, node_id, task_id, submitted, delegated, started, completed } =
    task
  assert.deepEqual(
    [status, owner, priority, platform, timeout, node_id, task_id, delegated, started, completed],
    ['pending', 'me', 2, null, null, null, null, null, null, null],
  )
  assert.match(String(submitted), /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/)
  await refused(420, /^Task not finished yet$/, `${api}/report/1`)
  await refused(420, /^Task not finished yet$/, `${api}/pcap/1`)
  await refused(404, /^Task not found$/, `${api}/report/9`)
  await refused(404, /^Task not found$/, '-XDELETE', `${api}/task/9`)
  await refused(400, /^Do not combine finished and status/, `${api}/task?finished=1&status=finished`)
  await refused(400, /^Parameter status /, `${api}/task?status=reported`)
  await refused(404, /^Not Found$/, `${api}/nothing`)
  await refused(405, /^Method Not Allowed$/, '-XPATCH', `${api}/task`)
  const listed = async (query: string) =>
    Object.keys(Object(member((await curl(`${api}/task?${query}`)).json, 'tasks')))
  await curl(`${api}/task`, '-F', 'url=http://example.org/')
  for (const [query, ids] of Object.entries({
    'owner=me': ['1'],
    'priority=1': ['2'],
    'limit=1&offset=1': ['2'],
    'status=pending': ['1', '2'],
    'status=deleted': [],
    'finished=1': [],
  })) {
    assert.deepEqual(await listed(query), ids, query)
  }
  await refused(400, /^Parameter task_ids: 'x' is not an id$/, '-XDELETE', `${api}/tasks`, '-d', 'task_ids=1 x')
  assert.deepEqual((await curl('-XDELETE', `${api}/task/1`)).json, { success: true })
  const again = await curl('-XDELETE', `${api}/task/1`)
  assert.deepEqual([again.status, again.json], [200, { success: false }])
  await refused(404, /^Task not found$/, `${api}/task/1`)
  for (const never of ['3', '0', '99999999999999999', 'x']) {
    await refused(404, /^(Task not found|Not Found)$/, '-XDELETE', `${api}/task/${never}`)
  }
  const bulk = await curl('-XDELETE', `${api}/tasks`, '-d', 'task_ids=1 2  77')
  assert.deepEqual(bulk.json, { success: true })
  assert.deepEqual(await scene.store.tasks.list({}), [])
})

test('what has come of tasks: all four times, reports, the capture, and of a failed one why', async t => {
  const { api, scene } = await served(t)
  const node = await startFakeNode()
  t.after(() => node.close())
  node.newStatus = 'running'
  node.answers.set('/pcap/get/1', [200, 'pcap!'])
  await scene.addNode('n1', node.url)
  scene.start()
  const id = await scene.addTask('MZ good')
  await scene.reaches(id, 'processing')
  await waitFor(async () => (await scene.store.tasks.get(id))?.runningOn, { describe: 'it to run' })
  const running = (await curl(`${api}/task/${id}`)).json
  assert.equal(member(running, 'tasks', id, 'status'), 'processing')
  node.newStatus = 'failed_analysis'
  for (const task of node.tasks.values()) task.status = 'reported'
  await scene.reaches(id, 'finished')
  const finished = (await curl(`${api}/task/${id}`)).json
  const times = ['submitted', 'delegated', 'started', 'completed'].map(name =>
    Date.parse(String(member(finished, 'tasks', id, name))),
  )
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  )
  assert.deepEqual([member(finished, 'tasks', id, 'task_id'), member(finished, 'tasks', id, 'status')], [1, 'finished'])
  for (const path of ['report/1', 'report/1/json']) {
    assert.deepEqual((await curl(`${api}/${path}`)).json, { info: { id: 1 } })
  }
  assert.equal((await curl(`${api}/pcap/1`)).text, 'pcap!')
  await refused(404, /^Report format not found$/, `${api}/report/1/html`)
  const failed = await scene.addTask('MZ bad')
  await scene.reaches(failed, 'failed')
  await refused(404, /^Task failed: /, `${api}/report/${failed}`)
  const waitedFor = (await curl(`${api}/task?status=finished`)).json
  assert.deepEqual(Object.keys(Object(member(waitedFor, 'tasks'))), ['1', '2'])
})

test('the status counts tasks by priority, and tells of nodes that have answered', async t => {
  const { api, scene, node } = await served(t)
  await scene.addTask('MZ', { priority: 2, machine: 'nobody' })
  await scene.addNode('silent', 'http://127.0.0.1:1/')
  await scene.addNode('n1', node.url)
  scene.start()
  await scene.reaches(await scene.addTask('MZ 2'), 'finished')
  const { json } = await curl(`${api}/status`)
  assert.deepEqual(Object.keys(Object(member(json, 'nodes'))), ['n1'])
  assert.equal(typeof member(json, 'nodes', 'n1', 'tasks', 'reported'), 'number')
  const none = { pending: 0, processing: 0, finished: 0, deleted: 0 }
  const [waits, done] = [
    { ...none, pending: 1 },
    { ...none, finished: 1 },
  ]
  assert.deepEqual(member(json, 'tasks'), {
    all: { ...none, pending: 1, finished: 1 },
    ...{ prio1: done, prio2: waits, today: done, today1: done, today2: none },
  })
  for (const directory of ['reports', 'samples']) {
    const space = { ...Object(member(json, 'dist', 'diskspace', directory)) }
    assert(space.total >= space.used && space.free <= space.total, JSON.stringify(space))
  }
})

test('statistics have the periods of the original, tasks in them, and name what is wrong', async t => {
  const { api, scene } = await served(t)
  await scene.addTask('MZ', { priority: 3 })
  await scene.addNode('n1', 'http://127.0.0.1:1/')
  const tomorrow = new Date(Date.now() + 2 * 86_400_000).toISOString().slice(0, 10)
  const { json } = await curl(`${api}/stats/${tomorrow}`)
  assert.deepEqual(Object.keys(Object(json)).sort(), [
    ...['active_processes', 'amount_prio_queued', 'cpu_usage', 'disk_usage', 'memory_usage', 'nodes'],
    ...['task_completed', 'task_uncompleted', 'vm_running'],
  ])
  for (const [period, points] of Object.entries({ hour: 12, day: 96, week: 168, month: 28 })) {
    assert.equal(Object(member(json, 'task_completed', period, 'points')).length, points, period)
    assert.equal(Object(member(json, 'task_uncompleted', period, 'points')).length, points, period)
  }
  assert.deepEqual(member(json, 'task_uncompleted', 'week', 'points', 167), {
    datetime: `${tomorrow} 00:00:00`,
    value: 1,
  })
  assert.deepEqual(member(json, 'amount_prio_queued', 'priorities'), { 3: 1 })
  assert.equal(member(json, 'vm_running', 'hour', 'info', 'max'), 1)
  assert.equal(member(json, 'cpu_usage', 'hour', 'n1', 'info', 'step_size'), 5)
  const part = (await curl(`${api}/stats?include=vm_running&period=hour,day&nodes=zz`)).json
  assert.deepEqual(Object.keys(Object(part)), ['nodes', 'vm_running'])
  assert.deepEqual(Object.keys(Object(member(part, 'vm_running'))), ['hour', 'day'])
  await refused(400, /^Given date does not match format YYYY-MM-DD$/, `${api}/stats/2026-13-01`)
  await refused(400, /^Given time does not match format HH:MM$/, `${api}/stats/2026-12-01/25:00`)
  await refused(400, /^Parameter include has 'x', which is none of task_completed/, `${api}/stats?include=x`)
  await refused(400, /^Parameter period has 'x', which is none of hour/, `${api}/stats?period=x`)
})

test('who has no token is told so in the envelope, too', async t => {
  const scene = await makeScene(t, { ApiToken: 'secret' })
  const { url } = await serveScene(t, scene)
  await refused(401, /^Unauthorized$/, `${url}/api/task`)
  assert.equal((await curl(`${url}/api/task`, '-H', 'Authorization: Bearer secret')).status, 200)
  const other = await curl(`${url}/apis`, '-H', 'Authorization: Bearer secret')
  assert.equal(member(other.json, 'success'), undefined)
})
