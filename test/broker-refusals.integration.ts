// What waiting cannot mend ends a service at its start, with a sentence that says what to do; later it is waited out.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import {
  type LogLine,
  type PrivateRabbitMq,
  type ServiceProcess,
  spawnService,
  startRabbitMq,
  TestBroker,
  waitFor,
} from '@cuckoo-distributed/testing'

let node: PrivateRabbitMq

before(async () => {
  node = await startRabbitMq()
})
after(() => node.stop())

test('wrong password: exit code 2, the key is named, and the password is not shown', async t => {
  const service = await startOverseer(t, node.url.replace('guest:guest', 'guest:s3cret'))
  assert.deepEqual(await service.exit, { code: 2, signal: null })
  assert.match(service.tail(), /user or password in "Amqp" is wrong/)
  assert.doesNotMatch(service.output.join('\n'), /s3cret/)
})

test('a vhost that does not exist: exit code 2, and the key is named', async t => {
  const service = await startOverseer(t, `${node.url}/nowhere`)
  assert.deepEqual(await service.exit, { code: 2, signal: null })
  assert.match(service.tail(), /the vhost in "Amqp" does not exist/)
})

test('a queue with other arguments: exit code 2, and what differs is said', async t => {
  const broker = await TestBroker.connect(node.url)
  t.after(() => broker.close())
  await broker.declare('odd', { arguments: { 'x-max-priority': 5 } })
  const service = await startOverseer(t, node.url, 'odd')
  assert.deepEqual(await service.exit, { code: 2, signal: null })
  assert.match(service.tail(), /queue "odd" exists with other arguments/)
  assert.match(service.tail(), /x-max-priority/)
})

test('later, a password that is wrong and a queue with other arguments are waited out', async t => {
  await node.ctl('add_user', 'worker', 'first')
  await node.ctl('set_permissions', 'worker', '.*', '.*', '.*')
  const service = await startOverseer(t, node.url.replace('guest:guest', 'worker:first'), 'later')
  await service.waitForLog('consuming')
  await node.ctl('change_password', 'worker', 'second')
  await node.ctl('close_all_connections', 'test')
  await service.waitForLog(waitingBecause(/ACCESS.REFUSED/))
  const broker = await TestBroker.connect(node.url)
  t.after(() => broker.close())
  await broker.delete('later')
  await broker.declare('later', { arguments: { 'x-max-priority': 5 } })
  await node.ctl('change_password', 'worker', 'first')
  await service.waitForLog(waitingBecause(/exists with other arguments/))
  await broker.delete('later')
  await waitFor(async () => (await broker.consumers('later')) === 1, {
    describe: 'the consumer to come back',
  })
  assert.deepEqual(await service.stop(), { code: 0, signal: null })
})

function waitingBecause(cause: RegExp) {
  return (line: LogLine) => /cannot reach the broker; waiting/.test(line.msg) && cause.test(String(line.cause))
}

async function startOverseer(t: TestContext, amqp: string, queue = 'failed'): Promise<ServiceProcess> {
  const dir = await mkdtemp(join(tmpdir(), 'refusals-'))
  t.after(() => rm(dir, { recursive: true, force: true }))
  return spawnService(t, 'overseer', { config: { Amqp: amqp, ConsumerQueue: queue, DumpDir: join(dir, 'dumps') } })
}
