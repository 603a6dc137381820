/** Nodes that are plainly neither up nor down: what fails there spoils nothing else, and nothing is lost. */
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { type CuckooStandIn, waitFor } from '@cuckoo-distributed/testing'
import { Janitor } from '../src/files/janitor.js'
import { fakeNode } from './contract-scene.js'
import { isEmptied, log, makeNode, makeScene, type Scene } from './dispatch-scene.js'

const FOREVER = Number.POSITIVE_INFINITY

function deletions(node: CuckooStandIn): string[] {
  return node.journal.map(({ path }) => path).filter(path => path.startsWith('/tasks/delete/'))
}

async function isQuarantined(scene: Scene, name: string, error: RegExp): Promise<void> {
  await waitFor(
    async () => {
      const node = await scene.store.nodes.get(name)
      return node?.state === 'quarantined' && error.test(node.lastError ?? '')
    },
    { describe: `${name} to be in quarantine` },
  )
}

describe('a node whose reports all fail', () => {
  const failReports = (node: CuckooStandIn) => {
    node.faults.next({ kind: 'status', status: 500, times: FOREVER, match: { path: /^\/tasks\/report\// } })
  }

  test('is quarantined beside a healthy one, which gets the work; none of its copies is deleted before the result is there', async t => {
    const scene = await makeScene(t, { NodeTimeout: 0.5, Interval: 0.05 })
    const [broken, healthy] = [await makeNode(t), await makeNode(t)]
    failReports(broken)
    await scene.addNode('broken', broken.url)
    await scene.addNode('healthy', healthy.url)
    const ids = await scene.addTasks(40)
    const discarded = scene.store.dispatch.discarded.bind(scene.store.dispatch)
    const unfinished: number[] = []
    scene.store.dispatch.discarded = async gone => {
      for (const taskId of ids) {
        const copies = await scene.store.dispatch.submissionsOf(taskId)
        const task = await scene.store.tasks.get(taskId)
        if (copies.some(copy => gone.includes(copy.id)) && task?.state !== 'finished') unfinished.push(taskId)
      }
      return discarded(gone)
    }
    scene.start()
    await isQuarantined(scene, 'broken', /json: .*500/)
    const tasks = await scene.allReach(ids, 'finished')
    assert(tasks.every(({ nodeName }) => nodeName === 'healthy'))
    assert(broken.submissions.length <= 32, `${broken.submissions.length} tasks went to the broken node`)
    assert.deepEqual(unfinished, [])
    for (const node of [broken, healthy]) assert.deepEqual(node.violations, [])
  })

  test('keeps what waits for it alone, tries one task now and then, and works on when it is mended', async t => {
    const scene = await makeScene(t, { MaxRequeues: 100, Interval: 0.05 })
    const node = await makeNode(t)
    failReports(node)
    await scene.addNode('n1', node.url)
    const first = await scene.addTasks(3)
    scene.start()
    await isQuarantined(scene, 'n1', /500/)
    const later = await scene.addTasks(30)
    const { requirement } = await scene.reaches(later.at(-1) ?? 0, 'pending')
    const isSaid = async () => /^node n1, .* quarantine: /.test((await scene.store.tasks.waitReason(requirement)) ?? '')
    await waitFor(isSaid, { describe: 'the reason for waiting' })
    await waitFor(() => node.submissions.length > 3, { describe: 'a task on trial' })
    assert(node.submissions.length < 12, `${node.submissions.length} tasks were tried`)
    assert.deepEqual(deletions(node), [])
    node.faults.clear()
    await scene.allReach([...first, ...later], 'finished')
    await waitFor(async () => (await scene.store.nodes.get('n1'))?.state === 'up', { describe: 'the node to be up' })
    assert.equal((await scene.store.nodes.get('n1'))?.lastError, null)
  })

  test('has its tasks finished late when it is mended after they have failed', async t => {
    const scene = await makeScene(t, { MaxRequeues: 0, Interval: 0.05 })
    const node = await makeNode(t)
    failReports(node)
    await scene.addNode('n1', node.url)
    const id = await scene.addTask('MZ')
    scene.start()
    assert.match((await scene.reaches(id, 'failed')).error ?? '', /node n1: json: .*500/)
    assert.equal(node.tasks.size, 1)
    node.faults.clear()
    await new Janitor({ ...scene, log }).removeObsolete()
    const { error, sha256 } = await scene.reaches(id, 'finished')
    assert.equal(error, null)
    assert.equal(JSON.parse((await scene.report(id)).toString()).target.file.sha256, sha256)
    await isEmptied(node)
  })
})

test('a node in quarantine is asked for no more reports, and what it has goes elsewhere after NodeTimeout', async t => {
  const scene = await makeScene(t, { NodeTimeout: 1 })
  const broken = await fakeNode(t)
  for (let i = 1; i < 40; i += 1) broken.answers.set(`/tasks/report/${i}/json`, [500, '<html>'])
  await scene.addNode('broken', broken.url)
  const ids = await scene.addTasks(24)
  scene.start()
  await scene.allReach(ids, 'processing')
  for (const task of broken.tasks.values()) task.status = 'reported'
  await isQuarantined(scene, 'broken', /json: .*500/)
  await scene.addNode('healthy', (await makeNode(t)).url)
  const tasks = await scene.allReach(ids, 'finished')
  assert(tasks.every(({ nodeName }) => nodeName === 'healthy'))
  const asked = new Set(broken.paths().filter(path => /report.*json$/.test(path)))
  // Three, and one for each trial.
  assert(asked.size <= 12, `${[...asked]}`)
})

describe('a task of which one report fails', () => {
  const unusable = async (t: TestContext) => {
    const scene = await makeScene(t, { ReportFormats: ['html'], Interval: 0.05 })
    const node = await fakeNode(t)
    node.newStatus = 'reported'
    node.reports.set('json', '{"info": {"id": 1}')
    node.reports.set('html', '<p>')
    await scene.addNode('n1', node.url)
    const id = await scene.addTask('MZ')
    scene.start()
    return { scene, node, id, task: await scene.reaches(id, 'finished') }
  }

  test('is finished with the others and says what is missing; the rest is fetched when it is there', async t => {
    const { scene, node, id, task } = await unusable(t)
    assert.match(task.error ?? '', /^json: /)
    const missing = (await scene.store.tasks.reports(id)).filter(({ size }) => size === null)
    assert.deepEqual(
      missing.map(({ format, retry }) => ({ format, retry })),
      [{ format: 'json', retry: true }],
    )
    assert.match(missing[0]?.reason ?? '', /ends/)
    assert.equal(node.tasks.size, 1, 'the copy stays')
    node.reports.set('json', '{"info": {"id": 1}}')
    await waitFor(() => node.tasks.size === 0, { describe: 'the copy to be deleted' })
    assert.equal((await scene.report(id)).toString(), '{"info": {"id": 1}}')
    assert.equal((await scene.reaches(id, 'finished')).error, null)
    const reports = (await scene.store.tasks.reports(id)).map(({ format, size, retry }) => [format, size, retry])
    assert.deepEqual(reports.sort(), [
      ['dropped', 3, false],
      ['html', 3, false],
      ['json', 19, false],
    ])
    const asked = node.paths().filter(path => path === 'GET /tasks/report/1/html')
    assert.equal(asked.length, 3, 'what is there is not fetched again')
  })

  test('has its copy deleted when the node turns out not to have the report at all', async t => {
    const { scene, node, id } = await unusable(t)
    node.reports.delete('json')
    await waitFor(() => node.tasks.size === 0, { describe: 'the copy to be deleted' })
    const json = (await scene.store.tasks.reports(id)).find(({ format }) => format === 'json')
    assert.deepEqual(json, { format: 'json', size: null, reason: 'the node does not have it', retry: false })
  })

  test('has its copy deleted with it', async t => {
    const { scene, node, id } = await unusable(t)
    await scene.store.tasks.remove(id)
    await waitFor(() => node.tasks.size === 0, { describe: 'the copy to be deleted' })
  })
})

describe('a report that drips', () => {
  const dripping = async (t: TestContext, reportMs: number) => {
    const scene = await makeScene(t, { MaxRequeues: 0, Interval: 0.05 })
    const node = await fakeNode(t)
    node.newStatus = 'reported'
    node.drips.add('/tasks/report/1/json')
    await scene.addNode('n1', node.url)
    const id = await scene.addTask('MZ')
    scene.start({ reportMs })
    return { scene, node, id }
  }

  test('is given up, which harms neither the node nor its other tasks', async t => {
    const { scene, id } = await dripping(t, 2000)
    await scene.reaches(id, 'processing')
    const states = new Set<string | undefined>()
    const others = await scene.addTasks(3)
    await waitFor(
      async () => {
        states.add((await scene.store.nodes.get('n1'))?.state)
        return (await scene.store.tasks.get(id))?.state === 'failed'
      },
      { describe: 'the task to be given up' },
    )
    assert.match((await scene.reaches(id, 'failed')).error ?? '', /bytes of it came in/)
    await scene.allReach(others, 'finished')
    assert.deepEqual([...states], ['up'])
  })

  test('ends when the task is deleted, and leaves nothing', async t => {
    const { scene, node, id } = await dripping(t, 3_600_000)
    await scene.reaches(id, 'fetching')
    await waitFor(async () => (await scene.reportNames(id).catch(() => [])).length > 0, { describe: 'the fetch' })
    await scene.store.tasks.remove(id)
    await waitFor(() => node.tasks.size === 0, { describe: 'the copy to be deleted' })
    await assert.rejects(scene.reportNames(id), { code: 'ENOENT' })
  })
})

test('a node is asked for its status and its results while it takes its uploads slowly', async t => {
  const scene = await makeScene(t)
  const node = await makeNode(t)
  node.faults.next({ kind: 'slow', milliseconds: 300, times: FOREVER, match: { path: '/tasks/create/file' } })
  await scene.addNode('n1', node.url)
  const ids = await scene.addTasks(40)
  scene.start()
  await scene.allReach(ids.slice(0, 3), 'finished')
  assert(node.submissions.length < ids.length, 'it had got all of its tasks before')
  const kinds = node.journal.map(({ path }) => path).filter(path => /status|create/.test(path))
  const row = Math.max(
    ...kinds
      .join(' ')
      .split('/cuckoo/status')
      .map(part => part.trim().split(' ').filter(Boolean).length),
  )
  assert(row <= 2, `${row} uploads in a row`)
})

test('a node that gives no clear answer to uploads is quarantined, and none is analysed twice', async t => {
  const scene = await makeScene(t, { MaxRequeues: 1 })
  const [broken, healthy] = [await makeNode(t), await makeNode(t)]
  broken.faults.next({ kind: 'status', status: 500, times: FOREVER, match: { path: '/tasks/create/file' } })
  await scene.addNode('broken', broken.url)
  await scene.addNode('healthy', healthy.url)
  const ids = await scene.addTasks(20)
  scene.start()
  await isQuarantined(scene, 'broken', /uploads: HTTP 500/)
  await scene.allReach(ids, 'finished')
  assert.equal(broken.submissions.length + healthy.submissions.length, ids.length)
})

test('the database of a node that fails makes it neither idle nor empty', async t => {
  const scene = await makeScene(t)
  const node = await fakeNode(t)
  const zeros = { total: 0, pending: 0, running: 0, completed: 0, reported: 0 }
  node.newStatus = 'reported'
  node.afterCreate = () => {
    node.answers.set('/tasks/create/file', [500, '<html>'])
    node.answers.set('/tasks/list', [200, '{"tasks": []}'])
    node.answers.set('/cuckoo/status', [200, JSON.stringify({ version: '1.2', tasks: zeros, machines: { total: 0 } })])
  }
  node.loseNext = true
  await scene.addNode('n1', node.url)
  const id = await scene.addTask('MZ')
  scene.start()
  await waitFor(async () => (await scene.store.nodes.get('n1'))?.lastError === 'its status cannot be believed', {
    describe: 'the doubt',
  })
  const listed = node.calls.length
  await waitFor(() => node.calls.length > listed + 8, { describe: 'further looks' })
  assert.equal((await scene.reaches(id, 'submitting')).attempt, 1)
  node.afterCreate = undefined
  node.answers.clear()
  await scene.reaches(id, 'finished')
  assert.equal(node.paths().filter(path => path === 'POST /tasks/create/file').length, 1)
})
