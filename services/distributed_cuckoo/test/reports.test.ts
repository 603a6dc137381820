/** How reports are served, which are made by malware as much as by Cuckoo. */
import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { type TestContext, test } from 'node:test'
import { serveScene } from './api-scene.js'
import { makeScene } from './dispatch-scene.js'
import { startFakeNode } from './fake-node.js'

/** The formats with the types that they are served as. */
const TYPES = new Map([
  ['json', 'application/json'],
  ['html', 'text/html; charset=utf-8'],
  ['x.html', 'text/html; charset=utf-8'],
  ['maec', 'application/xml'],
  ['mmdef', 'application/xml'],
  ['metadata', 'application/xml'],
  ['y.xml', 'application/xml'],
  ['all', 'application/x-tar'],
  ['other', 'application/octet-stream'],
])

/** A finished task with a report in each format. */
async function finished(t: TestContext) {
  const scene = await makeScene(t, { ReportFormats: [...TYPES.keys()] })
  const node = await startFakeNode()
  t.after(() => node.close())
  node.newStatus = 'reported'
  for (const format of TYPES.keys()) if (format !== 'json') node.reports.set(format, XHTML)
  await scene.addNode('n1', node.url)
  const id = await scene.addTask('MZ')
  scene.start()
  await scene.reaches(id, 'finished')
  const { app } = await serveScene(t, scene)
  return { scene, id, app }
}

const XHTML = '<html xmlns="http://www.w3.org/1999/xhtml"><script>alert(1)</script></html>'

test('no report of any format may run a script in the name of the server', async t => {
  const { id, app } = await finished(t)
  const paths = [...TYPES].flatMap(([format, type]) => {
    return [`/report/${id}/${format}`, `/tasks/report/${id}/${format}`].map(url => ({ url, type }))
  })
  const archive = { url: `/tasks/report/${id}/dropped`, type: 'application/x-tar' }
  for (const { url, type } of [...paths, { url: `/report/${id}`, type: 'application/json' }, archive]) {
    for (const method of ['GET', 'HEAD'] as const) {
      const { statusCode, headers } = await app.inject({ method, url })
      const { 'content-security-policy': policy, 'x-content-type-options': sniffing } = headers
      assert.deepEqual([statusCode, policy, sniffing], [200, 'sandbox', 'nosniff'], `${method} ${url}`)
      assert.equal(headers['content-type'], type, url)
    }
  }
  assert.equal((await app.inject(`/report/${id}/maec`)).body, XHTML)
})

test('a stored report that cannot be read is no missing one', async t => {
  const { scene, id, app } = await finished(t)
  await rm(scene.files.reportPath(id, 'json'))
  for (const url of [`/report/${id}`, `/tasks/report/${id}`]) {
    const answer = await app.inject(url)
    assert.deepEqual([answer.statusCode, answer.json().message], [503, 'The report cannot be read'], url)
  }
})

test('a task names the reports that its node did not have, and why', async t => {
  const scene = await makeScene(t, { ReportFormats: ['json', 'html'] })
  const node = await startFakeNode()
  t.after(() => node.close())
  node.newStatus = 'reported'
  await scene.addNode('n1', node.url)
  const id = await scene.addTask('MZ')
  const { app } = await serveScene(t, scene)
  const shown = async () => (await app.inject(`/task/${id}`)).json().tasks[id]
  assert.deepEqual((await shown()).missing_reports, {})
  scene.start()
  await scene.reaches(id, 'finished')
  const { missing_reports, error } = await shown()
  assert.deepEqual([Object.keys(missing_reports), error], [['html'], null])
  const { reason, retry } = missing_reports.html
  assert.match(reason, /\S/)
  assert.equal(typeof retry, 'boolean')
})
