/** Formats that are files of a node and no reports, as each API serves them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { serveScene } from './api-scene.js'
import { makeNode, makeScene } from './dispatch-scene.js'

const PICTURE = Buffer.alloc(5000, 'shot')

test('screenshots are a format: the archive of the node, as it came, on each API; and a HEAD tells the length of each format', async t => {
  const artifacts = () => ({
    screenshots: [{ name: '0001.jpg', content: PICTURE }],
    pcap: Buffer.from('pcap'),
    formats: { other: Buffer.from('other') },
  })
  const node = await makeNode(t, { version: '2.0', artifacts })
  const formats = ['json', 'other', 'pcap', 'screenshots']
  const scene = await makeScene(t, { ReportFormats: formats })
  await scene.addNode('n1', node.url)
  scene.start()
  const id = await scene.addTask('MZ')
  assert.equal((await scene.reaches(id, 'finished')).error, null)
  const { url } = await serveScene(t, scene)

  const archives = new Set<string>()
  const paths = formats.flatMap(format => [`/report/${id}/${format}`, `/api/report/${id}/${format}`])
  const shots = ['/tasks/screenshots', '/v1/tasks/screenshots'].map(path => `${path}/${id}`)
  const others = [`/tasks/report/${id}`, `/tasks/report/${id}/other`, `/tasks/report/${id}/dropped`, `/pcap/get/${id}`]
  for (const path of [...paths, ...shots, ...others, `/report/${id}`, `/api/pcap/${id}`]) {
    const got = await fetch(url + path)
    const bytes = Buffer.from(await got.arrayBuffer())
    assert.equal(got.status, 200, path)
    if (path.includes('screenshots')) archives.add(bytes.toString('latin1'))
    const head = await fetch(url + path, { method: 'HEAD' })
    const length = head.headers.get('content-length')
    assert.deepEqual([head.status, length, (await head.arrayBuffer()).byteLength], [200, String(bytes.length), 0], path)
  }
  assert.equal((await fetch(`${url}/tasks/screenshots/${id}/0001`)).status, 404, 'a single one')
  const [archive = '', ...different] = archives
  assert.deepEqual(
    [archive.slice(0, 4), archive.includes(PICTURE.toString('latin1')), different],
    ['PK\x03\x04', true, []],
  )
})
