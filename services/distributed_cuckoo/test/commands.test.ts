/** The command line that asks a running server. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { spawnService } from '@cuckoo-distributed/testing'
import { serveScene } from './api-scene.js'
import { makeNode, sceneAtWork } from './dispatch-scene.js'

const execute = promisify(execFile)

test('commands list, change and purge, as lines or as JSON; what the server refuses is said, with exit code 1', async t => {
  const { scene, id } = await sceneAtWork(t)
  const { url } = await serveScene(t, scene)
  const { SamplesDirectory, ReportsDirectory, ReportFormats } = scene.config
  const config = { SamplesDirectory, ReportsDirectory, ReportFormats, Port: Number(new URL(url).port) }
  const run = async (...args: string[]) => {
    const command = await spawnService(t, 'distributed_cuckoo', { config, args })
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
  const main = fileURLToPath(new URL('../src/main.js', import.meta.url))
  const bare = (...args: string[]) => execute(process.execPath, [main, ...args], { cwd: scene.config.SamplesDirectory })
  assert.equal(JSON.parse((await bare('nodes', '--json', '--url', url)).stdout).node_states.n2.state, 'up')
  await assert.rejects(bare('nodes'), { code: 2, stderr: /name the server: --url URL/ })
  assert.match((await run('nodes', 'limit', 'n2', '--pending', '7')).text, /max_pending: 7/)
  const [first = 0, second = 0] = await scene.addTasks(2, { machine: 'nobody', owner: 'me' })
  const changed = await run(
    'tasks',
    'change',
    `${first}`,
    `${second}`,
    '--priority',
    '9',
    '--tags',
    '',
    '--node',
    'n2',
    '--json',
  )
  assert.deepEqual(JSON.parse(changed.text), { tasks: [first, second] })
  const task = await scene.store.tasks.get(second)
  assert.deepEqual([task?.priority, task?.tags, task?.pinNodeName], [9, null, 'n2'])
  assert.equal((await run('tasks', 'change', `${first}`)).code, 2)
  assert.equal((await run('tasks', 'change', `${id}`, '--priority', '1')).code, 1)
  const dry = await run('tasks', 'delete', '--status', 'finished', '--dry-run', '--json')
  assert.deepEqual(JSON.parse(dry.text), { tasks: [id], kept: [], dry_run: true })
  assert.deepEqual(JSON.parse((await run('tasks', 'delete', '--owner', 'me', '--json')).text).kept, [first, second])
  assert.equal((await run('tasks', 'delete', `${first}`)).code, 0)
  assert.equal((await run('tasks', 'delete', '--status', 'finished')).code, 0)
  assert.deepEqual(
    (await scene.store.tasks.list({})).map(({ id: left }) => left),
    [second],
  )
  const nothing = await run('tasks', 'delete')
  assert.deepEqual([nothing.code, /Say which tasks by a filter/.test(nothing.text)], [1, true])
})

test('what does not fit is named as it was given, with what does, and nothing is asked of the server', async t => {
  const config = { SamplesDirectory: '/x', ReportsDirectory: '/x', ReportFormats: ['json'], Port: 1 }
  for (const [said, ...args] of [
    [/^name a node$/, 'nodes', 'drain'],
    [/^name the limit as --pending$/, 'nodes', 'limit', 'n'],
    [/^--pending must be a whole number, or empty for any$/, 'nodes', 'limit', 'n', '--pending', 'many'],
    [/^--priority must be a whole number$/, 'tasks', '--priority', 'high'],
    [/^--limit must be a whole number, 0 or more$/, 'reschedule', '--limit', '-2'],
    [/^liste is neither list, delete, change, nor the id of a task$/, 'tasks', 'liste'],
    [/^x is not the id of a task$/, 'tasks', 'delete', '1', 'x'],
    [/^x is not the id of a task$/, 'reschedule', 'x'],
    [/^name the tasks to change$/, 'tasks', 'change'],
    [/^say what to change: --priority, --tags or --node$/, 'tasks', 'change', '1'],
    [/choices: "list", "drain"/i, 'nodes', 'liste'],
    [/Unknown argument: nothing/, 'nodes', '--nothing'],
  ] as const) {
    const command = await spawnService(t, 'distributed_cuckoo', { config, args })
    const { code } = await command.exit
    const text = command.output.join('\n')
    assert.equal(code, 2, `${args}: ${text}`)
    assert.match(text, new RegExp(said.source.replace(/^\^|\$$/g, ''), said.flags), `${args}`)
  }
})
