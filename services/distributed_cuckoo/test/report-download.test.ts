import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdir, readlink, truncate } from 'node:fs/promises'
import { get } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { waitFor } from '@cuckoo-distributed/testing'
import { makeNode } from './dispatch-scene.js'
import { type Front, makeFront } from './front.js'

const SIZE = 100_000_000

/** The reports that the server has open. */
async function openReports({ process }: Front): Promise<string[]> {
  const folder = `/proc/${process.pid}/fd`
  const links = await Promise.all((await readdir(folder)).map(name => readlink(join(folder, name)).catch(() => '')))
  return links.filter(path => path.includes('/report.'))
}

test('a large report is sent whole, and one whose client leaves, whenever, is closed', async t => {
  const front = await makeFront(t)
  const node = await makeNode(t)
  await front.start()
  await front.addNode('n1', node.url)
  const id = await front.submit('MZ')
  await front.reaches(id, 'finished')
  await truncate(join(front.folder, 'reports', String(id), 'report.json'), SIZE)
  const url = `${front.url}/report/${id}`
  for (let i = 0; i < 20; i += 1) {
    const request = get(url).on('error', () => {})
    if (i % 3 === 0) await once(request, 'socket')
    else if (i % 3 === 1) await once(request, 'response')
    else {
      const [response] = await once(request, 'response')
      await once(response, 'data')
    }
    request.destroy()
  }
  const whole = await fetch(url)
  assert.equal(whole.headers.get('content-length'), String(SIZE))
  assert.equal((await whole.arrayBuffer()).byteLength, SIZE)
  let open: string[] = []
  await waitFor(
    async () => {
      open = await openReports(front)
      return open.length === 0
    },
    { describe: () => `no report to be open; ${open.length} are` },
  )
})
