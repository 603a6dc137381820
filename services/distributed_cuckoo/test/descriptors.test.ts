/** However a file is asked for, and however its client leaves: it is closed in the end. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdir, readlink } from 'node:fs/promises'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { waitFor } from '@cuckoo-distributed/testing'
import { serveScene } from './api-scene.js'
import { makeScene } from './dispatch-scene.js'
import { startFakeNode } from './fake-node.js'

/** Files under the folder that this process has open. */
async function openIn(folder: string): Promise<string[]> {
  const names = await readdir('/proc/self/fd')
  const paths = await Promise.all(names.map(name => readlink(`/proc/self/fd/${name}`).catch(() => '')))
  return paths.filter(path => path.startsWith(folder) && /\/(reports|samples)\//.test(path))
}

async function served(t: TestContext) {
  const scene = await makeScene(t)
  const node = await startFakeNode()
  t.after(() => node.close())
  node.newStatus = 'reported'
  // More than sockets and streams hold, so that a client can leave in the middle of it.
  node.reports.set('json', `{"info": {"id": 1}, "strings": ["${'x'.repeat(2 ** 23)}"], "signatures": [1]}`)
  await scene.addNode('n1', node.url)
  const id = await scene.addTask('MZ')
  scene.start()
  await scene.reaches(id, 'finished')
  const kept = await scene.addTask('x'.repeat(2 ** 23), { tags: 'nobody' })
  await scene.stop()
  const sha256 = (await scene.store.tasks.get(kept))?.sha256
  const paths = [`/report/${id}`, `/tasks/report/${id}?elements=info`, `/tasks/summary/${id}`, `/files/get/${sha256}`]
  return { scene, paths, ...(await serveScene(t, scene)) }
}

const skip = process.platform !== 'linux' && 'needs /proc'

test('files are closed after GET, HEAD and what is refused', { skip }, async t => {
  const { scene, paths, app } = await served(t)
  for (const url of [...paths, ...paths.map(path => `${path.split('?')[0]}?elements=nope`)]) {
    for (const method of ['GET', 'HEAD'] as const) await app.inject({ method, url })
  }
  await waitFor(async () => (await openIn(scene.folder)).length === 0, { describe: 'all files to be closed' })
})

test('files are closed when the client leaves in the middle', { skip }, async t => {
  const { scene, paths, url } = await served(t)
  const { hostname, port } = new URL(url)
  for (const path of paths) {
    const socket = connect(Number(port), hostname)
    socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
    await once(socket, 'data')
    socket.pause()
    const isStreamed = /^\/(report|files)/.test(path)
    if (isStreamed) assert.equal((await openIn(scene.folder)).length, 1, path)
    socket.destroy()
    await waitFor(async () => (await openIn(scene.folder)).length === 0, {
      describe: `the file of ${path} to be closed`,
    })
  }
})
