import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import {
  freePort,
  type PrivateRabbitMq,
  spawnService,
  startRabbitMq,
  TestBroker,
  waitFor,
} from '@cuckoo-distributed/testing'
import { taskBody, wrapped } from './support.js'

let node: PrivateRabbitMq
let managementPort: number
let broker: TestBroker

before(async () => {
  managementPort = await freePort()
  node = await startRabbitMq({
    plugins: ['rabbitmq_management'],
    config: [
      `management.tcp.port = ${managementPort}`,
      'management.tcp.ip = 127.0.0.1',
      'collect_statistics_interval = 500',
    ],
  })
  broker = await TestBroker.connect(node.url)
})
after(async () => {
  await broker.close()
  await node.stop()
})

async function scene(t: TestContext, changes: object = {}) {
  const dir = await mkdtemp(join(tmpdir(), 'queues-test-'))
  t.after(() => rm(dir, { recursive: true, force: true }))
  const DumpDir = join(dir, 'dumps')
  await mkdir(DumpDir, { mode: 0o700 })
  const config = { Amqp: node.url, ConsumerQueue: 'queues/failed', DumpDir, ...changes }
  const queues = async (...args: string[]) => {
    const command = await spawnService(t, 'overseer', { config, args: ['queues', ...args] })
    const { code } = await command.exit
    return { code, lines: command.output, output: command.output.join('\n') }
  }
  return { config, DumpDir, queues }
}

test('depth and consumers of all that are known, for a user without rights; a missing one does not end the others', async t => {
  await node.ctl('add_user', 'looker', 'pw')
  await node.ctl('set_permissions', 'looker', '^$', '^$', '^$')
  const { queues, DumpDir } = await scene(t, { Amqp: node.url.replace('guest:guest', 'looker:pw') })
  await writeFile(join(DumpDir, '1437000000_1'), wrapped('queues/work', taskBody('a')))
  await broker.declare('queues/work')
  await broker.publish('queues/work', 'x')
  const { code, lines } = await queues('queues/none', '--seconds', '0')
  assert.equal(code, 0, lines.join('\n'))
  assert.match(lines[0] ?? '', /^queue +messages +consumers +change\/s/)
  assert.match(lines[1] ?? '', /^queues\/none +does not exist$/)
  assert.match(lines[2] ?? '', /^queues\/work +1 +0 +- +- +- +-$/)
  assert.equal(lines.length, 10, 'the failed queue and five delay queues as well')
  assert.match(lines.at(-1) ?? '', /^(no overseer answers|overseers cannot be asked)/)
  assert.equal(await broker.depth('queues/failed'), undefined, 'none is declared')
})

test('two looks make a rate', async t => {
  const { queues } = await scene(t)
  await broker.declare('queues/rate')
  const looking = queues('queues/rate', '--json', '--seconds', '1')
  let isDone = false
  const publishing = (async () => {
    while (!isDone) await broker.publish('queues/rate', 'x')
  })()
  const { output } = await looking
  isDone = true
  await publishing
  const [state] = JSON.parse(output).queues
  assert.ok(state.messages > 0 && state.changePerSecond > 0, output)
})

test('with ManagementURL: what is in hands, and what comes and goes', async t => {
  const { queues, config } = await scene(t, { ManagementURL: `http://127.0.0.1:${managementPort}` })
  const overseer = await spawnService(t, 'overseer', { config: { ...config, RetryDelays: [600] } })
  await overseer.waitForLog('consuming')
  await broker.publish('queues/failed', wrapped('queues/work', taskBody('a')))
  await waitFor(
    async () => {
      const { output } = await queues('--json', '--seconds', '0')
      const states: { name: string; consumers: number; unacked: number }[] = JSON.parse(output).queues
      const delayed = states.find(({ name }) => name === 'queues/failed.delay.600')
      return delayed?.consumers === 1 && delayed.unacked === 1
    },
    { describe: 'a message in hands' },
  )
})

test('queues of running services are learned from their events, and so is the oldest sample under way', async t => {
  const { queues, config } = await scene(t, { ConsumerQueue: 'queues/failed2' })
  const overseer = await spawnService(t, 'overseer', { config })
  await overseer.waitForLog('consuming')
  const names = { ConsumerQueue: 'queues/check', ProducerQueue: 'queues/parse', FailedQueue: 'queues/failed2' }
  const checker = await spawnService(t, 'check_results', { config: { Amqp: node.url, ...names } })
  await checker.waitForLog('consuming')
  const body = taskBody('an analysis').replace('cuckoo.invalid', `127.0.0.1:${await freePort()}`)
  await broker.publish('queues/check', body)
  const { output } = await waitFor(
    async () => {
      const looked = await queues('--seconds', '0')
      return /check_results/.test(looked.output) && /an analysis/.test(looked.output) && looked
    },
    { describe: 'the queue and the sample' },
  )
  assert.match(output, /^queues\/check +0 +1 .*check_results$/m)
  assert.match(output, /^1 sample under way; the oldest is an analysis, since /m)
})

test('whether a sandbox has room is learned from events, and not from one that is too old', async t => {
  const { queues, config } = await scene(t, { ConsumerQueue: 'queues/failed3' })
  const overseer = await spawnService(t, 'overseer', { config })
  await overseer.waitForLog('consuming')
  const room = { state: 'full', maxPending: 4, pending: 4, freeBytes: 7, asOf: Date.now() }
  const origin = { at: Date.now(), service: 'feed_cuckoo', instance: 'i', event: 'room' }
  const tell = (event: object) => broker.publish('queues/failed3.events', JSON.stringify({ ...origin, ...event }))
  await waitFor(async () => (await broker.depth('queues/failed3.events')) !== undefined, { describe: 'the queue' })
  await tell({ seq: 1, sandbox: 'http://one', room })
  await tell({ seq: 2, sandbox: 'http://two', room: { ...room, asOf: 1000 } })
  const rooms = await waitFor(
    async () => {
      const told = JSON.parse((await queues('--json', '--seconds', '0')).output).rooms
      return told.length === 2 && told
    },
    { describe: 'two sandboxes' },
  )
  const { at, instance } = origin
  assert.deepEqual(rooms, [
    { sandbox: 'http://one', at, instance, ...room },
    { sandbox: 'http://two', at, instance, ...room, state: 'unknown', asOf: 1000 },
  ])
})

test('a management API that is not there, or refuses, costs nothing but its figures', async t => {
  const { queues, config } = await scene(t, { ManagementURL: `http://u:s3cret@127.0.0.1:${managementPort}` })
  await broker.declare('queues/failed')
  const { code, output } = await queues('--seconds', '0')
  assert.equal(code, 0)
  assert.match(output, /queues\/failed +0 +0 +- +- +- +-/)
  assert.match(output, /ManagementURL: .*status 401/)
  assert.ok(!output.includes('s3cret'))
  const check = await spawnService(t, 'overseer', { config, args: ['--check-config', '--connect'] })
  assert.equal((await check.exit).code, 2)
  assert.match(check.output.join('\n'), /management API http.*status 401/)
})

test('no broker: exit code 1 and why', async t => {
  const { queues } = await scene(t, { Amqp: `amqp://127.0.0.1:${await freePort()}` })
  const { code, output } = await queues()
  assert.equal(code, 1)
  assert.match(output, /nobody listens there/)
})
