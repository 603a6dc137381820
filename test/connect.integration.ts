// `--check-config --connect` says in words what is wrong with everything that a service needs, and changes nothing there.
import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import {
  freePort,
  type PrivateRabbitMq,
  spawnService,
  startCape,
  startCrits,
  startCuckoo,
  startRabbitMq,
  TestBroker,
} from '@cuckoo-distributed/testing'
import { read, root } from './project.js'

const TLS = 'packages/core/test/fixtures/tls'
let node: PrivateRabbitMq
let tlsPort: number
let broker: TestBroker

before(async () => {
  tlsPort = await freePort()
  const file = (name: string) => join(root, TLS, name)
  node = await startRabbitMq({
    config: [
      `listeners.ssl.1 = 127.0.0.1:${tlsPort}`,
      `ssl_options.cacertfile = ${file('ca.pem')}`,
      `ssl_options.certfile = ${file('server.pem')}`,
      `ssl_options.keyfile = ${file('server.key')}`,
    ],
  })
  broker = await TestBroker.connect(node.url)
})
after(async () => {
  await broker.close()
  await node.stop()
})

interface Checked {
  readonly code: number | null
  readonly output: string
}

/** Runs the check to its end. */
async function check(t: TestContext, service: string, config: object, env: NodeJS.ProcessEnv = {}): Promise<Checked> {
  const checked = await spawnService(t, service, { config, args: ['--check-config', '--connect'], env })
  const { code } = await checked.exit
  return { code, output: checked.output.join('\n') }
}

async function directory(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'connect-test-'))
  t.after(() => rm(dir, { recursive: true, force: true }))
  return dir
}

async function overseer(t: TestContext, changes: object = {}) {
  return { Amqp: node.url, ConsumerQueue: 'connect/failed', DumpDir: join(await directory(t), 'dumps'), ...changes }
}

function feeder(CuckooURL: string, changes: object = {}) {
  const queues = { ConsumerQueue: 'connect/feed', ProducerQueue: 'connect/check', FailedQueue: 'connect/failed' }
  return { Amqp: node.url, ...queues, CuckooURL, MaxSampleSize: 1024, ...changes }
}

function refuses({ code, output }: Checked, problem: RegExp): void {
  assert.equal(code, 2, output)
  assert.match(output, problem)
}

test('when all is well it says so, with exit code 0, and leaves nothing behind', async t => {
  const crits = await startCrits()
  const cuckoo = await startCuckoo()
  t.after(async () => {
    await crits[Symbol.asyncDispose]()
    await cuckoo[Symbol.asyncDispose]()
  })
  const [user] = crits.users
  const TmpDir = await directory(t)
  const env = { CRITS_USERNAME: user?.name ?? '', CRITS_API_KEY: user?.keys[0] ?? '' }
  const { code, output } = await check(t, 'feed_cuckoo', feeder(cuckoo.url, { CritsURL: crits.url, TmpDir }), env)
  assert.equal(code, 0, output)
  assert.match(
    output,
    /^ok: broker 127\.0\.0\.1:\d+\nok: queues and rights.*\nok: sandbox http.*\nok: CRITs http.* as alice\nok: TmpDir/m,
  )
  assert.equal(await broker.depth('connect/feed'), undefined, 'no queue is declared')
  assert.deepEqual(await readdir(TmpDir), [])
  assert.deepEqual([crits.violations, cuckoo.violations, cuckoo.submissions], [[], [], []])
  assert.ok(!output.includes(env.CRITS_API_KEY))
})

test('broker: password, vhost, nobody there, no such host', async t => {
  refuses(
    await check(t, 'overseer', await overseer(t, { Amqp: node.url.replace('guest:guest', 'guest:s3cret') })),
    /user or password in "Amqp" is wrong/,
  )
  refuses(
    await check(t, 'overseer', await overseer(t, { Amqp: `${node.url}/nowhere` })),
    /the vhost in "Amqp" does not exist/,
  )
  const port = await freePort()
  refuses(await check(t, 'overseer', await overseer(t, { Amqp: `amqp://127.0.0.1:${port}` })), /nobody listens there/)
  refuses(
    await check(t, 'overseer', await overseer(t, { Amqp: 'amqp://broker.invalid' })),
    /no host with this name|cannot be resolved/,
  )
})

test('broker: TLS against a plain port, plain against a port with TLS, an authority that is not trusted', async t => {
  const amqps = `amqps://guest:guest@127.0.0.1:${tlsPort}`
  refuses(
    await check(t, 'overseer', await overseer(t, { Amqp: node.url.replace('amqp:', 'amqps:') })),
    /the port does not use TLS: write amqp:/,
  )
  refuses(
    await check(t, 'overseer', await overseer(t, { Amqp: amqps.replace('amqps:', 'amqp:') })),
    /the port uses TLS: write amqps:/,
  )
  refuses(
    await check(t, 'overseer', await overseer(t, { Amqp: amqps })),
    /its certificate is not trusted: set "AmqpCA" to the file of its authority/,
  )
  const trusted = await check(t, 'overseer', await overseer(t, { Amqp: amqps, AmqpCA: join(root, TLS, 'ca.pem') }))
  assert.equal(trusted.code, 0, trusted.output)
})

test('broker: each missing right by itself, and a message that waits is not touched', async t => {
  await broker.declare('connect/failed')
  await broker.publish('connect/failed', 'waits')
  t.after(() => broker.delete('connect/failed'))
  const rights: [permissions: [string, string, string], problem: RegExp][] = [
    [['^$', '.*', '.*'], /may not declare "connect\/failed"/],
    [['^connect/failed$', '.*', '.*'], /may not declare "connect\/failed\.delay\.1"/],
    [['.*', '^connect', '.*'], /may not publish: it lacks the permission "write" on the exchange "amq\.default"/],
    [['.*', '.*', '^$'], /may not consume from "connect\/failed"/],
  ]
  await node.ctl('add_user', 'worker', 'pw')
  for (const [permissions, problem] of rights) {
    await node.ctl('set_permissions', 'worker', ...permissions)
    refuses(
      await check(t, 'overseer', await overseer(t, { Amqp: node.url.replace('guest:guest', 'worker:pw') })),
      problem,
    )
  }
  const message = await broker.take('connect/failed')
  assert.deepEqual([message?.body.toString(), message?.redelivered], ['waits', false])
})

test('broker: a queue with other arguments', async t => {
  await broker.declare('connect/failed', { arguments: { 'x-max-priority': 5 } })
  t.after(() => broker.delete('connect/failed'))
  refuses(await check(t, 'overseer', await overseer(t)), /queue "connect\/failed" exists with other arguments/)
})

test('sandbox: refused token, a database that fails, another API, nobody there, TLS the wrong way round', async t => {
  const cuckoo = await startCuckoo({ version: '2.0', apiToken: 'right' })
  t.after(() => cuckoo[Symbol.asyncDispose]())
  refuses(await check(t, 'feed_cuckoo', feeder(cuckoo.url)), /sandbox .*: status 401: it requires a token/)
  const tokens = { CuckooTokens: { [cuckoo.url]: 'right' } }
  assert.equal((await check(t, 'feed_cuckoo', feeder(cuckoo.url, tokens))).code, 0)
  cuckoo.faults.next({ kind: 'databaseError', times: Number.POSITIVE_INFINITY })
  refuses(await check(t, 'feed_cuckoo', feeder(cuckoo.url, tokens)), /counts neither tasks nor machines/)
  refuses(
    await check(t, 'feed_cuckoo', feeder(cuckoo.url.replace('http:', 'https:'))),
    /the port does not use TLS: write http:/,
  )
  const port = await freePort()
  refuses(await check(t, 'feed_cuckoo', feeder(`http://127.0.0.1:${port}`)), /nobody listens there/)
  const page = await pageServer(t)
  refuses(await check(t, 'feed_cuckoo', feeder(page.url)), /answers neither as a Cuckoo nor as a CAPE/)
  const tls = await tlsServer(t)
  refuses(await check(t, 'feed_cuckoo', feeder(tls.replace('https:', 'http:'))), /uses TLS/)
  refuses(await check(t, 'feed_cuckoo', feeder(tls)), /its certificate is not trusted/)
})

test('CAPE: refused token, an endpoint that is switched off, and all that is needed on', async t => {
  const needed = ['tasklist', 'taskview', 'taskreport', 'filecreate'] as const
  const well = await startCape({ on: needed })
  const users = [{ name: 'crits', keys: ['right'], rate: null }]
  const closed = await startCape({ on: needed, users })
  t.after(async () => {
    await well[Symbol.asyncDispose]()
    await closed[Symbol.asyncDispose]()
  })
  const good = await check(t, 'feed_cuckoo', feeder(well.url))
  assert.equal(good.code, 0, good.output)
  refuses(await check(t, 'feed_cuckoo', feeder(well.url, { Sandbox: 'cuckoo' })), /"Sandbox" says that it is cuckoo/)
  refuses(await check(t, 'feed_cuckoo', feeder(closed.url)), /sandbox .*: status 401: it requires a token/)
  for (const section of ['tasklist', 'taskview', 'taskreport'] as const) {
    const cape = await startCape({ on: needed, off: [section] })
    t.after(() => cape[Symbol.asyncDispose]())
    refuses(await check(t, 'feed_cuckoo', feeder(cape.url)), new RegExp(`sandbox .*${section}`))
  }
})

test('CAPE: an account that may not download reports', async t => {
  const users = [{ name: 'crits', keys: ['right'], rate: null, reports: false }]
  const on = ['tasklist', 'taskview', 'taskreport', 'filecreate'] as const
  const cape = await startCape({ on, users, reportsForAll: false })
  t.after(() => cape[Symbol.asyncDispose]())
  const config = feeder(cape.url, { CuckooTokens: { [cape.url]: 'right' } })
  refuses(await check(t, 'feed_cuckoo', config), /sandbox .*the user of the token may not download reports/)
})

test('a clock that is an hour off is named', async t => {
  const page = await pageServer(t, { date: new Date(Date.now() - 3_600_000).toUTCString() })
  refuses(await check(t, 'overseer', await overseer(t, { CritsURL: page.url })), /CRITs .*clock.* 3\d\d\d s apart/)
})

test('CRITs: the API is off, a redirect, a wrong key, a server that drops the header', async t => {
  const crits = await startCrits()
  t.after(() => crits[Symbol.asyncDispose]())
  const config = await overseer(t, { CritsURL: crits.url })
  const path = /^\/api\//
  for (const fault of [{ kind: 'html200' }, { kind: 'status', status: 404 }] as const) {
    crits.faults.next({ ...fault, match: { path }, times: Number.POSITIVE_INFINITY })
    refuses(await check(t, 'overseer', config), /the API is switched off \(enable_api in its settings\)/)
    crits.faults.clear()
  }
  crits.faults.next({
    kind: 'status',
    status: 301,
    headers: { location: 'https://crits.invalid/api/' },
    match: { path },
  })
  refuses(await check(t, 'overseer', config), /redirects to https:\/\/crits\.invalid/)
  const env = { CRITS_USERNAME: crits.users[0]?.name ?? '', CRITS_API_KEY: 'no such key' }
  const wrong = await check(t, 'overseer', config, env)
  refuses(wrong, /401: wrong user name or API key.*no right to use the API.*WSGIPassAuthorization/)
  assert.doesNotMatch(wrong.output, /no such key/)
  assert.deepEqual(crits.violations, [])
})

test('CRITs: a role without the right to use the API, and one that may not create samples, which only an upload could tell', async t => {
  const sources = [{ name: 'Internal' }]
  const users = [
    { name: 'analyst', keys: ['a-key'], sources, api: false },
    { name: 'reader', keys: ['another-key'], sources, createSamples: false },
  ]
  const crits = await startCrits({ profile: 'master', users })
  t.after(() => crits[Symbol.asyncDispose]())
  const config = await overseer(t, { CritsURL: crits.url })
  const as = (user: number) => ({ CRITS_USERNAME: users[user]?.name, CRITS_API_KEY: users[user]?.keys[0] })
  const noRole = await check(t, 'overseer', config, as(0))
  refuses(noRole, /CRITs .* as analyst: .*401: .*no right to use the API/)
  assert.doesNotMatch(noRole.output, /a-key/)
  assert.equal((await check(t, 'overseer', config, as(1))).code, 0, 'decision 0080')
  assert.deepEqual(crits.violations, [])
})

test('directories: no rights, and too little space', async t => {
  const dir = await directory(t)
  const DumpDir = join(dir, 'dumps')
  await mkdir(DumpDir)
  if (process.getuid?.() !== 0) {
    await chmod(DumpDir, 0o500)
    refuses(await check(t, 'overseer', await overseer(t, { DumpDir })), /DumpDir.*cannot be written to/)
  }
  const cuckoo = await startCuckoo()
  t.after(() => cuckoo[Symbol.asyncDispose]())
  const MaxSampleSize = Number.MAX_SAFE_INTEGER
  refuses(
    await check(t, 'feed_cuckoo', feeder(cuckoo.url, { MaxSampleSize, TmpDir: dir })),
    /TmpDir .*: \d+ MiB are free, \d+ MiB may be needed/,
  )
})

test('check_results, parse_and_submit and distributed_cuckoo look at what they name', async t => {
  const queues = { ConsumerQueue: 'connect/a', ProducerQueue: 'connect/b', FailedQueue: 'connect/failed' }
  const nobody = `http://127.0.0.1:${await freePort()}`
  const checker = { Amqp: node.url, ...queues, AllowedCuckooURLs: [nobody] }
  refuses(await check(t, 'check_results', checker), /sandbox http.*: nobody listens there/)
  const parser = {
    Amqp: node.url,
    ...queues,
    CuckooTokens: { [nobody]: 'x' },
    CritsURL: nobody,
    EnabledParsers: ['info'],
  }
  refuses(
    await check(t, 'parse_and_submit', parser),
    /sandbox http.*: nobody listens there.*\n.*CRITs http.*: nobody listens there/,
  )
  const dir = await directory(t)
  const distributed = {
    SamplesDirectory: join(dir, 'samples'),
    ReportsDirectory: join(dir, 'reports'),
    ReportFormats: ['json'],
    Database: `sqlite:///${join(dir, 'dist.db')}`,
    MinFreeSpace: 0,
  }
  const well = await check(t, 'distributed_cuckoo', distributed)
  assert.equal(well.code, 0, well.output)
  assert.deepEqual(await readdir(dir), [], 'no database is made')
  const Database = `postgres://u:s3cret@127.0.0.1:${await freePort()}/d`
  const away = await check(t, 'distributed_cuckoo', { ...distributed, Database, NodeTokens: { [nobody]: 'x' } })
  refuses(away, /database 127\.0\.0\.1:\d+\/d: nobody listens there.*sandbox http.*nobody listens there/s)
  assert.doesNotMatch(away.output, /s3cret/)
})

test('--connect without --check-config is a wrong argument', async t => {
  const service = await spawnService(t, 'overseer', { config: await overseer(t), args: ['--connect'] })
  assert.equal((await service.exit).code, 2)
})

async function listening(t: TestContext, server: ReturnType<typeof createTcpServer>): Promise<number> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return (server.address() as AddressInfo).port
}

/** A web server that has nothing but pages. */
async function pageServer(t: TestContext, headers: Record<string, string> = {}) {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html', connection: 'close', ...headers }).end('<p>welcome</p>')
  })
  return { url: `http://127.0.0.1:${await listening(t, server)}` }
}

async function tlsServer(t: TestContext): Promise<string> {
  const files = { cert: read(`${TLS}/server.pem`), key: read(`${TLS}/server.key`) }
  const server = createTlsServer(files, (_request, response) => void response.end('{}'))
  return `https://127.0.0.1:${await listening(t, server)}`
}
