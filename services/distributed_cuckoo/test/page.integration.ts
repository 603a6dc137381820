/** The status page in a real browser. */
import assert from 'node:assert/strict'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { browserForTests, isReadable, type Tab, waitFor } from '@cuckoo-distributed/testing'
import { serveScene } from './api-scene.js'
import { makeScene } from './dispatch-scene.js'
import { startFakeNode } from './fake-node.js'
import { type Front, makeFront } from './front.js'

const openTab = browserForTests()

const LONG = 'a-name-without-any-blank.'.repeat(8)

/** A cluster with a node that works, one that is gone, one that fails, a task that failed, and one that waits for what nobody has. */
async function makeCluster(t: TestContext): Promise<Front> {
  const [node, away] = [await startFakeNode(), await startFakeNode()]
  t.after(() => node.close())
  const front = await makeFront(t, { KeepSamples: true, Threshold: 1, MaxRequeues: 0 })
  await front.start()
  await front.addNode('lab1', node.url)
  await front.addNode(`lab2-${'x'.repeat(59)}`, away.url)
  await away.close()
  const failed = await front.submit('MZ 1', { owner: 'me' })
  await front.reaches(failed, 'processing')
  for (const task of node.tasks.values()) {
    task.status = 'failed_analysis'
    task.errors.push(`the analyzer said <img src=x onerror=document.body.dataset.hacked=1> ${LONG}`)
  }
  await front.reaches(failed, 'failed')
  for (let i = 0; i < 3; i += 1)
    await front.submit(`MZ 2 ${i}`, { tags: `<img src=x onerror=document.body.dataset.hacked=1>${LONG}` })
  await waitFor(async () => JSON.stringify(await front.request('/status')).includes('onerror'), {
    describe: 'tasks to wait for a tag that nobody has',
  })
  return front
}

test('the page shows nodes, failures and what tasks wait for, in every look, and takes hostile texts for text', async t => {
  const front = await makeCluster(t)
  const tab = await openTab(t, `${front.url}/`)
  await tab.shows(/connected/, '#connection')
  await tab.shows(/unreachable/)
  assert.match(await tab.text('[aria-label="What pending tasks wait for"]'), /img src=x/)
  await isReadable(tab)
  assert.equal(await tab.evaluate('document.body.dataset.hacked ?? ""'), '')
})

test('no node that fails or drains looks as if it were well', async t => {
  const scene = await makeScene(t)
  const seen = {
    counters: { total: 1, pending: 1, running: 0, completed: 0, reported: 0 },
    freeBytes: null,
    kind: null,
    runningSince: {},
  }
  const addNode = async (name: string) => {
    await scene.addNode(name, `http://127.0.0.1:1/${name}`)
    return (await scene.store.nodes.get(name))?.id ?? 0
  }
  await scene.store.nodes.recordStatus(await addNode('well'), { ...seen, at: Date.now(), quarantine: null })
  await scene.store.nodes.recordStatus(await addNode('failing'), {
    ...seen,
    at: Date.now(),
    quarantine: 'reports: HTTP 500',
  })
  const gone = await addNode('gone')
  for (let i = 0; i < 3; i += 1) await scene.store.nodes.recordFailure(gone, { state: 'unreachable', error: 'refused' })
  await scene.store.nodes.recordFailure(await addNode('locked'), { state: 'unauthorized', error: 'HTTP 401' })
  await addNode('off')
  await scene.store.nodes.update('off', { enabled: false })
  const tab = await openTab(t, (await serveScene(t, scene)).url)
  await tab.shows(/well/)
  const states =
    await tab.evaluate(`Object.fromEntries([...document.querySelectorAll('[aria-label=Nodes] tbody tr')].map(row => [
    row.dataset.key, row.querySelector('.badge').className.split(' ').at(-1) + ' ' + row.querySelector('.badge').innerText.slice(2)]))`)
  assert.deepEqual(states, {
    well: 'good up',
    failing: 'bad quarantined',
    gone: 'bad unreachable',
    locked: 'bad unauthorized',
    off: 'idle disabled',
  })
  assert.match(await tab.text('[data-key=failing]'), /reports: HTTP 500/)
  assert.match(await tab.text('[data-key=gone]'), /refused \(3 times\)/)
  const links = await tab.evaluate(`[...document.querySelectorAll('[aria-label=Nodes] a')].map(link => link.href)`)
  assert.equal(String(links).split(',')[0], 'http://127.0.0.1:1/failing')
})

test('a missing token and a wrong one are told, and nothing is shown before the right one is there', async t => {
  const scene = await makeScene(t, { ApiToken: 's3cret' })
  const { url } = await serveScene(t, scene)
  await scene.addNode('lab1', 'http://127.0.0.1:1/')
  const tab = await openTab(t, url)
  await tab.shows(/token wanted/, '#connection')
  await isReadable(tab)
  await tab.tabTo('[name=token]')
  await tab.type('wrong')
  await tab.press('Enter')
  await tab.shows(/wrong token/, '#connection')
  await tab.shows(/The server rejects this token/, '#login [role=alert]')
  await isReadable(tab)
  assert.doesNotMatch(await tab.text(), /lab1|Tasks/)
  await tab.tabTo('[name=token]')
  await tab.type('s3cret')
  await tab.press('Enter')
  await tab.shows(/lab1/)
  await tab.shows(/connected/, '#connection')
  // It is kept for this tab, and for no other.
  await tab.goTo(url)
  await tab.shows(/lab1/)
  const other = await openTab(t, url)
  await other.shows(/token wanted/, '#connection')
  const linked = await openTab(t, `${url}/#token=s3cret`)
  await linked.shows(/lab1/)
  assert.equal(await linked.evaluate('location.hash'), '')
})

test('a node is drained, enabled and refreshed by keyboard alone', async t => {
  const scene = await makeScene(t)
  const { url } = await serveScene(t, scene)
  const node = await startFakeNode()
  t.after(() => node.close())
  await scene.addNode('lab1', node.url)
  const tab = await openTab(t, url)
  const enabled = async () => (await scene.store.nodes.get('lab1'))?.enabled
  await tab.shows(/lab1/)
  await pressButton(tab, 'Drain lab1')
  await tab.waitFor('document.querySelector("dialog[open]")')
  await isReadable(tab)
  assert.equal(await tab.evaluate('document.activeElement.innerText'), 'Cancel')
  await tab.press('Escape')
  await tab.waitFor('!document.querySelector("dialog")')
  assert.equal(await tab.evaluate('document.activeElement.ariaLabel'), 'Drain lab1')
  assert.equal(await enabled(), true)
  await pressButton(tab, 'Drain lab1')
  await tab.waitFor('document.querySelector("dialog[open]")')
  await tab.press('Tab')
  await tab.press(' ')
  await tab.shows(/lab1 gets no new tasks/, '#told')
  assert.equal(await enabled(), false)
  await tab.shows(/disabled/, '[data-key=lab1]')
  await pressButton(tab, 'Enable lab1')
  await tab.shows(/lab1 gets tasks again/, '#told')
  assert.equal(await enabled(), true)
  await pressButton(tab, 'Refresh the machines of lab1')
  await tab.shows(/lab1 has 2 machines/, '#told')
  node.answers.set('/machines/list', [503, ''])
  await pressButton(tab, 'Refresh the machines of lab1')
  await tab.shows(/Invalid Cuckoo node \(lab1\): HTTP 503/, 'main [role=alert]')
  assert.deepEqual(tab.problems, [])
})

test('failed tasks are listed newest first, looked at, and tried again, one and all', async t => {
  const scene = await makeScene(t, { KeepSamples: true })
  const { url } = await serveScene(t, scene)
  const ids = await scene.addTasks(52)
  for (const id of ids) await scene.store.dispatch.fail(id, `reason ${id}`, Date.now())
  const tab = await openTab(t, url)
  await tab.shows(/The newest 50 of 52/)
  const first = '[aria-label="Failed tasks"] tbody tr'
  assert.match(await tab.text(first), /52[\s\S]*sample\.exe[\s\S]*reason 52/)
  await pressButton(tab, 'Look at task 52')
  await tab.shows(/submitted[\s\S]*failed\s+reason 52/, '.time-line')
  await tab.waitFor('document.activeElement.innerText === "Task 52"')
  await isReadable(tab)
  await pressButton(tab, 'Try again: task 52')
  await tab.shows(/Task 52 will be retried/, '#told')
  assert.equal((await scene.store.tasks.get(52))?.state, 'pending')
  await tab.shows(/51/, first)
  await tab.click('main > p > button')
  await tab.click('dialog button.primary')
  await tab.shows(/51 failed tasks will be retried/, '#told')
  await tab.shows(/None has failed/)
  assert.deepEqual([(await scene.store.tasks.counts()).failed, tab.problems], [0, []])
})

test('the report of a finished task is saved, which a link could not do with a token', async t => {
  const front = await makeFront(t, { ApiToken: '' })
  const node = await startFakeNode()
  t.after(() => node.close())
  node.newStatus = 'reported'
  await front.start()
  await front.addNode('lab1', node.url)
  const id = await front.submit('MZ')
  await front.reaches(id, 'finished')
  const tab = await openTab(t, front.url)
  const saved = join(front.folder, 'saved')
  await mkdir(saved)
  await tab.saveTo(saved)
  await tab.tabTo('[name=id]')
  await tab.type(String(id))
  await tab.press('Enter')
  await tab.shows(/finished/, '.time-line')
  await isReadable(tab)
  await tab.click('main button:not(form button, table button)')
  await waitFor(async () => (await readdir(saved)).includes(`report-${id}.json`), { describe: 'the report' })
  assert.equal(await readFile(join(saved, `report-${id}.json`), 'utf8'), '{"info": {"id": 1}}')
  assert.deepEqual(tab.problems, [])
})

test('a server that is gone is told, and shown again when it is back', async t => {
  const front = await makeFront(t)
  await front.start()
  const tab = await openTab(t, front.url)
  await tab.shows(/connected/, '#connection')
  await front.kill()
  await tab.shows(/the server does not answer/, '#connection')
  await isReadable(tab)
  await front.start()
  await tab.shows(/connected/, '#connection')
})

/** By Tab and Enter, as somebody without a mouse does. */
async function pressButton(tab: Tab, label: string): Promise<void> {
  await tab.pressOn(`button[aria-label="${label}"]`)
}
