/** What is left in Cuckoo when a task is deleted. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type CuckooOptions, startCuckoo } from '@cuckoo-distributed/testing'
import { CuckooClient } from '../src/index.js'

const { signal } = new AbortController()

async function withTasks(t: TestContext, options: CuckooOptions, tags: readonly string[]) {
  const cuckoo = await startCuckoo({ analysisTime: Number.POSITIVE_INFINITY, machines: 10, ...options })
  const client = new CuckooClient({ baseUrl: new URL(cuckoo.url), verifySsl: true, maxConnections: 1 })
  t.after(async () => {
    await client[Symbol.asyncDispose]()
    await cuckoo.close()
  })
  for (const text of tags) {
    const file = {
      name: 'a.exe',
      size: 2,
      open: async function* () {
        yield Buffer.from('MZ')
      },
    }
    const { id } = await client.createTask({ ...file, options: { tags: text } }, signal)
    cuckoo.move(id, 'reported')
  }
  return { cuckoo, client }
}

for (const version of ['1.2', '1.3'] as const) {
  test(`${version} keeps a task with tags, and with it all that have one of them`, async t => {
    const { cuckoo, client } = await withTasks(t, { version, machineTags: [['office']] }, ['office', 'office', ''])
    assert.equal(await client.deleteTask(1, signal), 'kept')
    assert.equal(await client.deleteTask(3, signal), 'deleted')
    assert.deepEqual([...cuckoo.tasks.keys()], [1, 2])
    assert.equal((await client.listMachines(signal)).length, 10)
  })
}

test('2.0 loses only the task itself', async t => {
  const { cuckoo, client } = await withTasks(t, { version: '2.0' }, ['office', 'office'])
  assert.equal(await client.deleteTask(1, signal), 'deleted')
  assert.deepEqual([...cuckoo.tasks.keys()], [2])
})
