import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { waitFor } from '@cuckoo-distributed/testing'
import { isEmptied, makeNode, makeScene, sceneAtWork } from './dispatch-scene.js'

describe('a task', () => {
  for (const version of ['1.2', '1.3', '2.0-dev', '2.0'] as const) {
    test(`goes to a node of Cuckoo ${version}, and its results come back before the node's copy is deleted`, async t => {
      const scene = await makeScene(t, { ReportFormats: ['json', 'html'] })
      const node = await makeNode(t, { version })
      await scene.addNode('n1', node.url)
      const id = await scene.addTask('MZ a sample')
      scene.start()
      const task = await scene.reaches(id, 'finished')
      await isEmptied(node)
      const asked = node.journal.map(({ path }) => path.split('?')[0])
      assert.deepEqual(
        asked.filter(path => path?.startsWith('/tasks/report') || path?.startsWith('/tasks/delete')),
        ['/tasks/report/1/json', '/tasks/report/1/dropped', '/tasks/report/1/html', '/tasks/delete/1'],
      )
      assert.deepEqual(await scene.reportNames(id), ['report.dropped', 'report.json'])
      const report = JSON.parse((await scene.report(id)).toString())
      assert.equal(report.target.file.sha256, task.sha256)
      const stored = Object.fromEntries((await scene.store.tasks.reports(id)).map(({ format, size }) => [format, size]))
      assert.equal(stored.json, (await scene.report(id)).length)
      assert.equal(stored.dropped, (await scene.report(id, 'dropped')).length)
      assert.equal(stored.html, null)
      assert.equal(node.submissions[0]?.custom, `dist:${id}:1`)
      assert.deepEqual(node.violations, [])
    })
  }

  test('is sent with what its client asked for, and nothing else', async t => {
    const scene = await makeScene(t)
    const node = await makeNode(t, { version: '2.0', apiToken: 's3cret' })
    Object.assign(scene.config.NodeTokens, { [node.url]: 's3cret' })
    await scene.addNode('n1', node.url)
    const id = await scene.addTask('MZ', {
      filename: 'späm "x".exe',
      package: 'exe',
      timeout: 90,
      priority: 3,
      options: 'free=yes',
      tags: '',
      custom: 'analysis-7',
      memory: 'no',
      clock: '1412164800',
      enforceTimeout: true,
      owner: 'alice',
    })
    scene.start()
    await scene.reaches(id, 'finished')
    const sent = node.submissions[0]
    assert(sent)
    const { sentName, timeout, priority, options, custom, memory, enforceTimeout, owner } = sent
    assert.deepEqual(
      { package: sent.package, timeout, priority, options, custom, memory, enforceTimeout, owner },
      {
        package: 'exe',
        timeout: 90,
        priority: 3,
        options: 'free=yes',
        custom: 'analysis-7',
        memory: false,
        enforceTimeout: true,
        owner: 'alice',
      },
    )
    assert.match(sentName, /^späm .*x.*\.exe$/)
    assert.equal(sent.clock?.getMonth(), 9)
    assert.deepEqual(node.violations, [])
  })

  test('whose analysis failed on the node fails with the reason, and the copy is deleted', async t => {
    const { scene, node, id } = await sceneAtWork(t)
    node.move(1, 'failed_analysis', 'The analysis hit the critical timeout, terminating.')
    const task = await scene.reaches(id, 'failed')
    assert.match(task.error ?? '', /failed_analysis.*critical timeout.*n1/)
    await isEmptied(node)
  })

  test('whose sample is gone fails at once', async t => {
    const scene = await makeScene(t)
    const node = await makeNode(t)
    const id = await scene.addTask('MZ')
    const { samplePath } = await scene.reaches(id, 'pending')
    await scene.files.removeSample({ path: samplePath ?? '', size: 2, md5: '', sha256: '' })
    await scene.addNode('n1', node.url)
    scene.start()
    assert.equal((await scene.reaches(id, 'failed')).error, 'the sample is gone')
    assert.equal(node.submissions.length, 0)
  })

  test('that a client deletes during its analysis is removed from its node once that is possible', async t => {
    const { scene, node, id } = await sceneAtWork(t)
    await waitFor(() => node.tasks.get(1)?.status === 'running', { describe: 'the analysis to run' })
    assert(await scene.store.tasks.remove(id))
    const refused = () => node.journal.some(({ path, status }) => path === '/tasks/delete/1' && status === 500)
    await waitFor(refused, { describe: 'the node to refuse the deletion of a running task' })
    node.move(1, 'reported')
    await isEmptied(node)
    await waitFor(async () => (await scene.store.dispatch.submissionsOf(id)).length === 0, {
      describe: 'the ledger to close',
    })
    await assert.rejects(scene.reportNames(id), { code: 'ENOENT' })
  })
})

describe('reports', () => {
  test('that are cut short are fetched again, before the node is told to delete', async t => {
    const scene = await makeScene(t)
    const node = await makeNode(t)
    await scene.addNode('n1', node.url)
    node.faults.next({ kind: 'cutAnswer', afterBytes: 100, match: { path: '/tasks/report/1/json' } })
    const id = await scene.addTask('MZ')
    scene.start()
    await scene.reaches(id, 'finished')
    await isEmptied(node)
    const asked = node.journal.map(({ path }) => path).filter(path => /report|delete/.test(path))
    assert.equal(asked.filter(path => path === '/tasks/report/1/json').length, 2)
    assert.equal(asked.at(-1), '/tasks/delete/1')
    assert.equal(JSON.parse((await scene.report(id)).toString()).info.id, 1)
    assert.deepEqual(await scene.reportNames(id), ['report.dropped', 'report.json'])
  })

  test('that end in the middle although their length is right are not taken for complete', async t => {
    const scene = await makeScene(t, { MaxRequeues: 0 })
    const node = await makeNode(t, { report: () => '{"info": {"id": 1}, "target": {' })
    await scene.addNode('n1', node.url)
    const id = await scene.addTask('MZ')
    scene.start()
    const { error } = await scene.reaches(id, 'failed')
    assert.match(error ?? '', /n1.*json.*ends before/)
    assert(node.tasks.has(1), 'the copy stays, as nothing of it is stored')
  })

  test('about another file are refused', async t => {
    const scene = await makeScene(t, { MaxRequeues: 0 })
    const node = await makeNode(t, { report: () => `{"target": {"file": {"sha256": "${'0'.repeat(64)}"}}}` })
    await scene.addNode('n1', node.url)
    const id = await scene.addTask('MZ')
    scene.start()
    assert.match((await scene.reaches(id, 'failed')).error ?? '', /another file/)
  })

  test('about a file that CAPE took out of the one that was sent are kept', async t => {
    const scene = await makeScene(t)
    const sha256 = createHash('sha256').update('MZ').digest('hex')
    const target = { file: { sha256: '0'.repeat(64) } }
    const report = JSON.stringify({ target, info: { id: 1, parent_sample: { sha256 } } })
    const node = await makeNode(t, { report: () => report })
    await scene.addNode('n1', node.url)
    const id = await scene.addTask('MZ')
    scene.start()
    await scene.reaches(id, 'finished')
    assert.equal((await scene.report(id)).toString(), report)
  })

  test('of a task that is reported without any make it fail, after the node was asked three times', async t => {
    const scene = await makeScene(t, { MaxRequeues: 0 })
    const node = await makeNode(t, { report: () => null })
    await scene.addNode('n1', node.url)
    const id = await scene.addTask('MZ')
    scene.start()
    assert.match((await scene.reaches(id, 'failed')).error ?? '', /no report/)
    assert.equal(node.journal.filter(({ path }) => path === '/tasks/report/1/json').length, 3)
    assert(node.tasks.has(1), 'the copy stays, as nothing of it is stored')
  })

  test('are not fetched while the task is only completed', async t => {
    const scene = await makeScene(t)
    const node = await makeNode(t, { processingTime: Number.POSITIVE_INFINITY })
    await scene.addNode('n1', node.url)
    const id = await scene.addTask('MZ')
    scene.start()
    const views = () => node.journal.filter(({ path }) => path === '/tasks/view/1').length
    await waitFor(() => node.tasks.get(1)?.status === 'completed', { describe: 'the analysis to be over' })
    const before = views()
    await waitFor(() => views() >= before + 3, { describe: 'three more looks' })
    assert(!node.journal.some(({ path }) => path.startsWith('/tasks/report')))
    node.move(1, 'reported')
    await scene.reaches(id, 'finished')
  })
})

test('tasks wait while there is too little space for reports', async t => {
  const scene = await makeScene(t)
  const node = await makeNode(t)
  await scene.addNode('n1', node.url)
  const id = await scene.addTask('MZ')
  Object.assign(scene.config, { MinFreeSpace: Number.MAX_SAFE_INTEGER })
  scene.start()
  await waitFor(() => node.tasks.get(1)?.status === 'reported', { describe: 'the report' })
  const views = () => node.journal.filter(({ path }) => path === '/tasks/view/1').length
  const before = views()
  await waitFor(() => views() >= before + 3, { describe: 'three more looks' })
  assert.equal((await scene.reaches(id, 'processing')).id, id)
  assert.equal(node.tasks.size, 1)
})

test('a task comes to its turn behind hundreds of requirements that no node meets, each of which says why it waits', async t => {
  const scene = await makeScene(t)
  const node = await makeNode(t)
  await scene.addNode('n1', node.url)
  const waiting = Array.from({ length: 200 }, (_, i) => ({ url: `http://x/${i}`, tags: `nobody${i}`, priority: 9 }))
  for (const given of waiting) await scene.addTask('', given)
  const ids = await scene.addTasks(3)
  scene.start()
  await scene.allReach(ids, 'finished')
  const told = async () => (await scene.store.tasks.waitReasons(1)).total
  await waitFor(async () => (await told()) === waiting.length, { describe: 'all reasons to be told' })
  const { pending } = await scene.store.tasks.counts()
  assert.equal(pending, waiting.length)
  for (let id = 1; id <= 150; id += 1) await scene.store.tasks.remove(id)
  await waitFor(async () => (await told()) === 50, { describe: 'reasons of what is gone to be forgotten' })
})
