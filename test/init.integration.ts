// `overseer init`: what it writes is what the built services take, and what it prints makes the user that they need.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { builtService, startCrits, startCuckoo, startRabbitMq } from '@cuckoo-distributed/testing'
import { at, PIPELINE } from './project.js'

const ALL = [...PIPELINE, 'distributed_cuckoo']
const SERVERS = ['--cuckoo', 'http://cuckoo.example:8090', '--crits', 'https://crits.example']

for (const [what, services, options] of [
  ['the pipeline', PIPELINE, [...SERVERS, '--cuckoo-token', 'secret token', '--queue-type', 'quorum']],
  ['a cluster', ALL, ['--crits', 'https://crits.example', '--cluster-dir', 'cluster']],
] as const) {
  test(`init writes configurations for ${what} that every service takes, for the owner alone`, async t => {
    const dir = await directory(t)
    const { status, output } = await init(dir, options)
    assert.equal(status, 0, output)
    assert.deepEqual((await readdir(dir)).sort(), services.map(fileOf).sort())
    for (const service of services) {
      const file = join(dir, fileOf(service))
      assert.equal((await stat(file)).mode & 0o777, 0o600)
      const checked = await run(builtService(service), ['--config', file, '--check-config'], dir)
      assert.deepEqual([checked.status, checked.output], [0, `${file}: ok\n`])
    }
  })
}

test('init overwrites nothing, and writes nothing then', async t => {
  const dir = await directory(t)
  await writeFile(join(dir, fileOf('overseer')), 'mine')
  const { status, output } = await init(dir, SERVERS)
  assert.equal(status, 2)
  assert.match(output, /overseer\.conf\.json already exists/)
  assert.deepEqual(await readdir(dir), [fileOf('overseer')])
  assert.equal(readFileSync(join(dir, fileOf('overseer')), 'utf8'), 'mine')
})

test('init names every answer that is missing or cannot be used, with exit code 2', async t => {
  const dir = await directory(t)
  const wrong = [
    '--cuckoo',
    'cuckoo:8090',
    '--broker',
    'http://broker',
    '--queue-type',
    'quick',
    '--tmp-dir',
    '/nowhere',
  ]
  const { status, output } = await init(dir, wrong)
  assert.equal(status, 2)
  for (const name of ['cuckoo', 'broker', 'queue-type', 'tmp-dir', 'crits'])
    assert.match(output, new RegExp(`"${name}"`))
  assert.deepEqual(await readdir(dir), [])
})

test('the lines of init make a user with whom all services of the pipeline can do what they must', async t => {
  const [rabbitMq, crits, cuckoo] = await Promise.all([startRabbitMq(), startCrits(), startCuckoo()])
  t.after(() => Promise.all([rabbitMq.stop(), crits[Symbol.asyncDispose](), cuckoo[Symbol.asyncDispose]()]))
  const dir = await directory(t)
  const broker = `amqp://o'brien@127.0.0.1:${new URL(rabbitMq.url).port}/a%2Fb`
  const { status, output } = await init(dir, ['--broker', broker, '--cuckoo', cuckoo.url, '--crits', crits.url])
  assert.equal(status, 0, output)
  for (const { args, input } of await rabbitMqCalls(dir, output))
    await rabbitMq.rabbitmqctl(...args, ...(input === '' ? [] : [input]))
  for (const service of PIPELINE) {
    const checked = await run(
      builtService(service),
      ['--config', join(dir, fileOf(service)), '--check-config', '--connect'],
      dir,
    )
    assert.equal(checked.status, 0, checked.output)
  }
})

test('on a terminal init asks, again where an answer cannot be used', async t => {
  const dir = await directory(t)
  const command = `'${process.execPath}' '${builtService('overseer')}' init --dir '${dir}' --crits https://crits.example`
  const terminal = spawn('script', ['--quiet', '--flush', '--return', '--command', command, '/dev/null'], { cwd: dir })
  t.after(() => terminal.kill())
  // What is seen, and what is then typed.
  const talk = [
    ['RabbitMQ, ', 'amqp://me:word@broker'],
    ['Queues ', ''],
    ['Directory for a distributed_cuckoo', ''],
    ['Sandbox: ', 'cuckoo'],
    ['"cuckoo"', 'http://cuckoo.example:8090'],
    ['API token ', ''],
    ['Directory for messages ', ''],
    ['Directory for temporary files ', ''],
  ] as const
  let output = ''
  let step = 0
  let seen = 0
  terminal.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
    const [prompt, answer] = talk[step] ?? []
    if (prompt === undefined || !output.includes(prompt, seen)) return
    seen = output.length
    step++
    terminal.stdin.write(`${answer}\n`)
  })
  const [code] = await once(terminal, 'close')
  assert.equal(code, 0, output)
  assert.match(output, /"cuckoo"/)
  const feeder: unknown = JSON.parse(readFileSync(join(dir, fileOf('feed_cuckoo')), 'utf8'))
  assert.equal(at(feeder, 'Amqp'), 'amqp://me:word@broker')
  assert.equal(at(feeder, 'CuckooURL'), 'http://cuckoo.example:8090')
  assert.doesNotMatch(output, /add_user/)
})

function fileOf(service: string): string {
  return `${service}.conf.json`
}

function init(dir: string, options: readonly string[]) {
  return run(builtService('overseer'), ['init', '--dir', dir, ...options], dir)
}

/** Runs a built service to its end; beside the stand-ins, so that they can answer it. */
async function run(script: string, args: readonly string[], cwd: string) {
  const child = spawn(process.execPath, [script, ...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  const output: string[] = []
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', text => output.push(text))
  const [status] = await once(child, 'close')
  return { status, output: output.join('') }
}

/** What a shell makes of the lines for RabbitMQ. */
async function rabbitMqCalls(dir: string, output: string) {
  const lines = output.split('\n').filter(line => line.includes('rabbitmqctl'))
  const notes =
    'rabbitmqctl() { node -e \'console.log(JSON.stringify({ args: process.argv.slice(1), input: process.argv[1] === "add_user" ? fs.readFileSync(0, "utf8") : "" }))\' -- "$@"; }'
  const { stdout } = spawnSync('/bin/sh', ['-c', [notes, ...lines].join('\n')], { cwd: dir, encoding: 'utf8' })
  return stdout
    .trim()
    .split('\n')
    .map(line => {
      const call: unknown = JSON.parse(line)
      const args = at(call, 'args')
      assert.ok(Array.isArray(args))
      return { args: args.map(String), input: String(at(call, 'input')) }
    })
}

async function directory(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'init-test-'))
  t.after(() => rm(dir, { recursive: true, force: true }))
  return dir
}
