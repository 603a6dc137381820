/** The command line that asks a running server. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { spawnService } from '@cuckoo-distributed/testing'
import { serveScene } from './api-scene.js'
import { makeNode, sceneAtWork } from './dispatch-scene.js'

const MAIN = join(import.meta.dirname, '../src/main.js')

test('commands list, change and purge, as lines or as JSON; what the server refuses is said, with exit code 1', async t => {
  const { scene, id } = await sceneAtWork(t)
  const { url } = await serveScene(t, scene)
  const { SamplesDirectory, ReportsDirectory, ReportFormats } = scene.config
  const config = { SamplesDirectory, ReportsDirectory, ReportFormats, Port: Number(new URL(url).port) }
  const run = async (...args: string[]) => {
    const command = await spawnService(t, MAIN, { config, args })
    const { code } = await command.exit
    return { code, text: command.output.join('\n') }
  }
  const listed = await run('nodes')
  assert.match(listed.text, /^n1 {2}up {2}in flight 1 {2}machines 2/)
  assert.equal(listed.code, 0)
  assert.equal(JSON.parse((await run('tasks', '--json', '--status', 'processing')).text).tasks[id].node, 'n1')
  assert.match((await run('tasks')).text, /^1 {2}processing {2}n1 {2}sample\.exe$/)
  const other = await makeNode(t)
  await scene.addNode('n2', other.url)
  assert.match((await run('nodes', 'drain', 'n2')).text, /enabled: false/)
  assert.match((await run('nodes', 'enable', 'n2')).text, /enabled: true/)
  assert.deepEqual(JSON.parse((await run('purge', 'n1', '--json')).text), { tasks: [id], fail: false, forget: false })
  await scene.reaches(id, 'finished')
  assert.equal(other.submissions.length, 1)
  const refused = await run('reschedule', String(id))
  assert.deepEqual([refused.code, /The task has not failed/.test(refused.text)], [1, true])
  assert.deepEqual(JSON.parse((await run('reschedule', '--dry-run', '--json')).text).tasks, [])
  assert.equal((await run('nodes', 'drain')).code, 2)
})
