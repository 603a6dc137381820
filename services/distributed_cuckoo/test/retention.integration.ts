/** The built server, killed while it removes what is too old. */
import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { errorCode, toError } from '@cuckoo-distributed/core'
import { waitFor } from '@cuckoo-distributed/testing'
import { makeNode } from './dispatch-scene.js'
import { makeFront } from './front.js'

const TASKS = 60
const KILLS = 6

test('a kill while tasks are removed shows none without its report, and leaves no file', async t => {
  const front = await makeFront(t, { KeepReports: 2 / 86_400, KeepSamples: true })
  const node = await makeNode(t)
  await front.start()
  await front.addNode('n1', node.url)
  let submitted = 0
  let shown = 0
  for (let kill = 0; kill < KILLS; kill += 1) {
    for (; submitted < ((kill + 1) * TASKS) / KILLS; submitted += 1) await front.submit(`MZ ${submitted}`)
    const finished = await waitFor(
      async () => {
        const tasks = await front.tasks('status=finished')
        return tasks.length > 0 && tasks
      },
      { describe: 'finished tasks' },
    )
    for (const { id } of finished) {
      const response = await fetch(`${front.url}/report/${id}`, { headers: { connection: 'close' } })
      await response.arrayBuffer()
      if (response.status === 200) shown += 1
      // It was removed since, and its report with it.
      else assert.deepEqual(await front.tasks().then(tasks => tasks.filter(task => task.id === id)), [])
    }
    await front.kill()
    await front.start()
  }
  assert(shown > 0)
  // An upload that a kill has cut off is looked for for a minute, and its task is kept until then.
  await waitFor(async () => (await front.tasks()).length === 0, { deadlineMs: 180_000, describe: 'no task to be left' })
  const isEmpty = async (name: string) => {
    try {
      const entries = await readdir(join(front.folder, name), { recursive: true, withFileTypes: true })
      return !entries.some(entry => entry.isFile() && !entry.name.startsWith('.'))
    } catch (error: unknown) {
      // A folder went while it was looked into.
      if (errorCode(toError(error)) === 'ENOENT') return false
      throw error
    }
  }
  for (const directory of ['reports', 'samples']) {
    await waitFor(() => isEmpty(directory), { describe: `nothing in ${directory}` })
  }
})
