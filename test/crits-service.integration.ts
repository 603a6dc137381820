// The CRITs service that the project ships: its own tests under Debian's Python and kombu, and its messages in the pipeline.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { decodeTask } from '@cuckoo-distributed/core'
import { critsMessage, startRabbitMq, TestBroker, waitFor } from '@cuckoo-distributed/testing'
import { root } from './project.js'
import { type Scene, startScene } from './scene.js'

/** One that has kombu and Django; scripts/setup.mjs sees to Debian's. */
const PYTHON = process.env.PYTHON ?? '/usr/bin/python3'
const folder = join(root, 'deploy/crits/test')
const QUEUE = 'test.limited'
const SOURCES = ['Internal', 'Öffentlich']
const PASSWORD = 'p/#%41@:ä &'

test('its tests pass', async () => {
  await unittest(PYTHON, ['test_service', 'test_forms', 'test_broker'], {}, 45)
})

test('its tests pass under Python 2.7, with what that has', async t => {
  const python = python2().find(program => spawnSync(program, ['-c', '']).status === 0)
  if (python === undefined) {
    t.diagnostic('this machine has no Python 2.7')
    return
  }
  t.diagnostic(await unittest(python, ['test_service', 'test_forms', 'test_broker'], {}, 0))
})

test('a body above the limit of the broker is an error, and no answer is told as unknown', async t => {
  const node = await startRabbitMq({ config: ['max_message_size = 100000'] })
  t.after(() => node.stop())
  const broker = await TestBroker.connect(node.url)
  await broker.declare(QUEUE)
  await broker.close()
  // The service quotes nothing, and needs no more than this.
  await node.ctl('add_user', 'crits', PASSWORD)
  await node.ctl('set_permissions', 'crits', '^$', '^amq.default$', '^$')
  const url = new URL(node.url)
  const env = { RABBITMQ_URL: `amqp://crits:${encodeURIComponent(PASSWORD)}@${url.host}`, LIMITED_QUEUE: QUEUE }
  await unittest(PYTHON, ['test_limits.LimitsTest'], env, 1)
  await node.ctl('set_vm_memory_high_watermark', '0')
  await unittest(PYTHON, ['test_limits.AlarmTest'], env, 1)
})

for (const line of ['2015', '2019']) {
  for (const inline_mib of [11, 0]) {
    const where = inline_mib ? 'in the message' : 'left in CRITs'
    test(`its message passes feed_cuckoo: CRITs of ${line}, the sample ${where}`, async t => {
      const scene = await startScene(t)
      const bytes = Buffer.from(`MZ ${line} ${where}`)
      const name = 'Ωλ \u{1f600} "a"/b\\c.exe'
      const sent = await send(scene, { line, bytes, name, config: { inline_mib } })
      const { body, properties } = await taken(scene)
      assert.deepEqual(
        { type: properties.contentType, persistent: properties.deliveryMode === 2, headers: properties.headers },
        { type: 'application/json', persistent: true, headers: {} },
      )
      assert.match(body.toString('latin1'), /^[\x20-\x7e]+$/)
      const { sources, ...critsData } = parsed(body).crits_data
      assert.deepEqual(sources, SOURCES)
      const submission = { name, bytes, payload: { package: 'exe', timeout: '90' }, withoutData: inline_mib === 0 }
      assert.deepEqual({ ...parsed(body), crits_data: critsData }, parsed(critsMessage(submission, critsData)))

      await scene.broker.publish(scene.queues.feed, body)
      const cuckoo = await scene.startCuckoo()
      await scene.start('feed_cuckoo', { CuckooURL: cuckoo.url, CritsURL: '' })
      const { crits } = decodeTask((await taken(scene, scene.queues.check)).body)
      assert.deepEqual(
        { url: crits.critsUrl, analysis: crits.analysisId, source: crits.source, sources: crits.sources },
        { url: scene.crits.url, analysis: sent.id, source: 'Internal', sources: SOURCES },
      )
      const [task] = cuckoo.submissions
      assert.equal(cuckoo.submissions.length, 1)
      assert.equal(task?.package, 'exe')
      assert.equal(task?.timeout, 90)
    })
  }
}

/** Where a Python 2.7 may be. The `python2.7` of pyenv works only where that version was chosen. */
function python2(): string[] {
  const versions = join(process.env.PYENV_ROOT ?? join(homedir(), '.pyenv'), 'versions')
  const names = existsSync(versions) ? readdirSync(versions).filter(name => name.startsWith('2.7')) : []
  return [process.env.PYTHON2 ?? 'python2.7', ...names.map(name => join(versions, name, 'bin/python2.7'))]
}

/** Runs Python's test runner and returns its closing line; fails unless all tests pass and, with `least`, as many have run and none was skipped. */
async function unittest(python: string, modules: readonly string[], env: NodeJS.ProcessEnv, least: number) {
  const args = ['-W', 'ignore', '-m', 'unittest', ...modules]
  const child = spawn(python, args, {
    cwd: folder,
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1', ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const [output, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')])
  assert.equal(code, 0, output)
  const ran = Number(/^Ran (\d+) tests?/m.exec(output)?.[1] ?? 0)
  assert.ok(ran >= Math.max(least, 1), output)
  if (least > 0) assert.doesNotMatch(output, /skipped/)
  return `${ran} tests: ${output.trimEnd().split('\n').at(-1)}`
}

interface Run {
  readonly line: string
  readonly bytes: Buffer
  readonly name: string
  readonly config: Readonly<Record<string, unknown>>
}

/** What CRITs does when an analyst runs the service on a sample that it has. */
async function send({ crits, queues }: Scene, { line, bytes, name, config }: Run): Promise<{ readonly id: string }> {
  const [user] = crits.users
  const sample = crits.addSample({ bytes, name })
  const asked = {
    line,
    name,
    id: sample.id,
    content: bytes.toString('base64'),
    sources: SOURCES,
    user: user?.name,
    key: user?.keys[0],
    config: { rabbit_key: queues.feed, crits_url: `${crits.url}/`, ...config },
    options: { package: 'exe', timeout: '90' },
  }
  const child = spawn(PYTHON, ['-W', 'ignore', 'send.py'], {
    cwd: folder,
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
  })
  child.stdin.end(JSON.stringify(asked))
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
  const analysis = JSON.parse(output || '{}')
  assert.equal(analysis.status, 'started', analysis.log ?? errors)
  crits.startAnalysis({ objectId: sample.id, id: analysis.id })
  return analysis
}

async function taken({ broker, queues }: Scene, queue = queues.feed) {
  return waitFor(() => broker.take(queue), { describe: `a message in ${queue}` })
}

function parsed(body: Buffer) {
  return JSON.parse(body.toString('utf8'))
}
