import assert from 'node:assert/strict'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { spawnService, waitFor } from '@cuckoo-distributed/testing'
import { scene } from './scene.js'
import { API_KEY, taskBody, wrapped } from './support.js'

test('a failed message comes back to its queue as it was, with its count', async t => {
  const { broker, failed, work, start } = await scene(t)
  const overseer = await start()
  const headers = { 'x-attempts': 2, 'x-visited': '["a"]', 'x-foreign': 'no', 'x-death': [] }
  await broker.publish(failed, wrapped(work, taskBody('a-1')), { headers })
  const back = await broker.expectMessage(work)
  assert.equal(back.body.toString(), taskBody('a-1'))
  assert.deepEqual(back.headers, { 'x-attempts': 2, 'x-visited': '["a"]' })
  assert.equal(back.properties.deliveryMode, 2)
  assert.deepEqual(await overseer.stop(), { code: 0, signal: null })
})

test('the count survives killed overseers, and the failure after the last delay is dumped', async t => {
  const { broker, failed, work, dumped, readDump, start } = await scene(t)
  for (const attempts of [1, 2, 3]) {
    const overseer = await start()
    await broker.publish(failed, wrapped(work, `try ${attempts}`), { headers: { 'x-attempts': attempts } })
    await overseer.waitForLog('will be tried again')
    await overseer.kill()
    const next = await start()
    // A kill between confirm and ack doubles a message, so there may be one of the round before.
    const { headers } = await waitFor(
      async () => {
        const message = await broker.expectMessage(work)
        return message.body.toString() === `try ${attempts}` && message
      },
      { describe: `try ${attempts}` },
    )
    assert.equal(headers['x-attempts'], attempts)
    await next.kill()
  }
  await start()
  await broker.publish(failed, wrapped(work, 'try 4'), { headers: { 'x-attempts': 4 } })
  const [name] = await dumped(1)
  const dump = await readDump(name)
  assert.deepEqual([dump.Queue, dump.Msg, dump.Attempts], [work, 'try 4', 4])
})

test('a message whose failure lies in the place waits without a count, and one line tells of all that do', async t => {
  const { broker, failed, work, start } = await scene(t)
  const overseer = await start()
  const cause = JSON.stringify({ code: 'CRITS_AUTH', since: Date.now() - 1000, tries: 1 })
  for (const attempts of [0, 4]) {
    await broker.publish(failed, wrapped(work, 'm'), { headers: { 'x-attempts': attempts, 'x-cause': cause } })
    const { headers } = await broker.expectMessage(work)
    assert.deepEqual(headers, { ...(attempts > 0 && { 'x-attempts': attempts }), 'x-cause': cause })
  }
  await broker.publish(failed, wrapped(work, 'm'), { headers: { 'x-attempts': 1 } })
  assert.deepEqual((await broker.expectMessage(work)).headers, { 'x-attempts': 1 })
  assert.equal((await overseer.stop()).code, 0)
  const lines = overseer.output.filter(line => line.includes('messages wait until a shared cause'))
  assert.equal(lines.length, 1)
})

test('a message whose shared cause has lasted for SharedCauseLimit is dumped, and says so', async t => {
  const { broker, failed, work, start, dumped, readDump } = await scene(t)
  const overseer = await start({ SharedCauseLimit: 60 })
  const cause = JSON.stringify({ code: 'CRITS_AUTH', since: Date.now() - 60_000, tries: 3 })
  await broker.publish(failed, wrapped(work, 'm'), { headers: { 'x-cause': cause } })
  const [name] = await dumped(1)
  assert.deepEqual((await readDump(name)).Headers, {})
  assert.equal((await overseer.waitForLog('dumped')).why, 'CRITS_AUTH has lasted for SharedCauseLimit, 60 s')
})

test('two overseers hand every message back once', async t => {
  const { broker, failed, work, start, settled } = await scene(t)
  await Promise.all([start({ PrefetchCount: 3 }), start({ PrefetchCount: 3 })])
  const bodies = Array.from({ length: 30 }, (_, i) => `message ${i}`)
  for (const body of bodies) await broker.publish(failed, wrapped(work, body))
  await waitFor(async () => (await broker.depth(work)) === bodies.length, { describe: 'all messages' })
  await settled()
  const back = await broker.takeAll(work)
  assert.deepEqual(back.map(({ body }) => body.toString()).sort(), bodies.sort())
})

test('a permanent failure is dumped at once, and neither key nor body gets into the log', async t => {
  const { broker, failed, work, start, dumped, readDump } = await scene(t)
  const overseer = await start()
  const body = wrapped(work, taskBody('a-1', 'http://127.0.0.1:1'))
  await broker.publish(failed, body, { headers: { 'x-attempts': 1, 'x-permanent': 1 } })
  const [name] = await dumped(1)
  assert.deepEqual((await readDump(name)).Headers, {})
  // Nobody listens there: the dump counts although CRITs cannot be told.
  await overseer.waitForLog('the server is unavailable; waiting for it')
  await waitFor(async () => (await broker.depth(failed)) === 0, { describe: 'the ack' })
  assert.equal((await overseer.stop()).code, 0)
  assert.doesNotMatch(overseer.output.join('\n'), new RegExp(`${API_KEY}|object_id|guest:guest`))
})

test('what is no failed message is dumped as it is and stops nobody', async t => {
  const { broker, failed, work, dumpDir, start, dumped } = await scene(t)
  await start({ PrefetchCount: 1 })
  const strangers = ['', 'not JSON', 'null', JSON.stringify({ Service: 's', Queue: '', Error: '', Desc: '', Msg: 'm' })]
  for (const stranger of strangers) await broker.publish(failed, stranger)
  await broker.publish(failed, wrapped(work, 'good'))
  assert.equal((await broker.expectMessage(work)).body.toString(), 'good')
  const contents = (await dumped(4)).map(name => readFile(join(dumpDir, name), 'utf8'))
  assert.deepEqual((await Promise.all(contents)).sort(), strangers.sort())
})

test('bytes that are not UTF-8 are tried again and finally dumped byte for byte', async t => {
  const { broker, failed, work, start, dumped, readDump } = await scene(t)
  await start()
  const bytes = Buffer.from([0x00, 0xff, 0xfe, 0x7b])
  const envelope = { 'x-failed-service': 'feed_cuckoo', 'x-failed-queue': work, 'x-failed-error': 'e' }
  await broker.publish(failed, bytes, { headers: { ...envelope, 'x-attempts': 3 } })
  const back = await broker.expectMessage(work)
  assert.deepEqual(back.body, bytes)
  assert.deepEqual(back.headers, { 'x-attempts': 3 })
  await broker.publish(failed, bytes, { headers: { ...envelope, 'x-attempts': 4 } })
  const [name] = await dumped(1)
  const dump = await readDump(name)
  assert.deepEqual(Buffer.from(dump.MsgBase64, 'base64'), bytes)
  assert.deepEqual([dump.Service, dump.Queue, dump.Error], ['feed_cuckoo', work, 'e'])
})

test('a message whose queue does not exist is dumped with that reason, and no queue is made', async t => {
  const { broker, failed, work, start, dumped, readDump } = await scene(t)
  await start()
  const missing = `${work}.missing`
  await broker.publish(failed, wrapped(missing, 'm'), { headers: { 'x-attempts': 1 } })
  const [name] = await dumped(1)
  const { Queue, Attempts, History } = await readDump(name)
  assert.deepEqual([Queue, Attempts, History.length], [missing, 1, 1])
  assert.match(History[0].Error, /there is no such queue/)
  assert.equal(await broker.depth(missing), undefined)
})

test('messages in a delay queue that is no longer configured are released', async t => {
  const { broker, failed, work, start } = await scene(t)
  await broker.declare(`${failed}.delay.10`)
  await broker.publish(`${failed}.delay.10`, wrapped(work, 'm'), { headers: { 'x-due': 1, 'x-attempts': 1 } })
  await start({ RetryDelays: [] })
  assert.equal((await broker.expectMessage(work)).body.toString(), 'm')
})

for (const QueueType of ['classic', 'quorum']) {
  test(`large messages of all ${QueueType} delay queues come back as they were, those of each in order`, async t => {
    const { broker, failed, work, start } = await scene(t)
    const filler = `${'x'.repeat(1000)}"\\`.repeat(1100)
    const queues = [1, 10, 60, 300, 600].map(seconds => `${failed}.delay.${seconds}`)
    if (QueueType === 'quorum') await broker.delete(failed)
    const first = await start({ QueueType })
    await first.stop()
    for (const queue of queues) {
      for (const [i, size] of [filler, 'small', filler].entries()) {
        const headers = { 'x-due': 1, 'x-attempts': 1 }
        await broker.publish(queue, wrapped(work, `${queue} ${i} ${size}`), { headers })
      }
    }
    const overseer = await start({ QueueType })
    await waitFor(async () => (await broker.depth(work)) === 15, {
      describe: 'all messages',
    })
    const back = (await broker.takeAll(work)).map(({ body }) => body.toString())
    for (const queue of queues) {
      const expected = [filler, 'small', filler].map((size, i) => `${queue} ${i} ${size}`)
      assert.ok(
        back.filter(body => body.startsWith(`${queue} `)).every((body, i) => body === expected[i]),
        queue,
      )
      assert.equal(await broker.depth(queue), 0)
    }
    assert.equal((await overseer.stop()).code, 0)
  })
}

test('a large message that waits is in its delay queue again once the overseer has stopped', async t => {
  const { broker, failed, work, start } = await scene(t)
  const overseer = await start({ RetryDelays: [600] })
  const large = wrapped(work, 'x'.repeat(2 * 1024 * 1024))
  await broker.publish(failed, large, { headers: { 'x-attempts': 1 } })
  await waitFor(() => overseer.output.some(line => line.includes('received') && line.includes('delay.600')), {
    describe: 'the message in its delay queue',
  })
  assert.equal((await overseer.stop()).code, 0)
  assert.deepEqual((await broker.expectMessage(`${failed}.delay.600`)).body, large)
})

test('quorum queues do the same, with a place for what exceeds their delivery limit', async t => {
  const { broker, failed, work, start } = await scene(t)
  await broker.delete(failed)
  await start({ QueueType: 'quorum' })
  await broker.publish(failed, wrapped(work, 'm'))
  assert.equal((await broker.expectMessage(work)).body.toString(), 'm')
  assert.equal(await broker.depth(`${failed}.lost`), 0)
})

test('dumps wait while DumpDir is unusable, and messages that need none go on', async t => {
  const { broker, failed, work, dumpDir, start, dumped } = await scene(t)
  const overseer = await start({ PrefetchCount: 4 })
  await rename(dumpDir, `${dumpDir}.away`)
  await writeFile(dumpDir, 'a file in its place')
  const permanent = { headers: { 'x-attempts': 1, 'x-permanent': 1 } }
  for (const body of ['1', '2', '3', '4', '5', '6']) await broker.publish(failed, wrapped(work, body), permanent)
  await overseer.waitForLog(/^DumpDir cannot be written to/)
  await broker.publish(failed, wrapped(work, 'needs no dump'))
  assert.equal((await broker.expectMessage(work)).body.toString(), 'needs no dump')
  await rm(dumpDir)
  await rename(`${dumpDir}.away`, dumpDir)
  await dumped(6)
  await overseer.waitForLog('DumpDir can be written to again')
  assert.equal((await overseer.stop()).code, 0)
})

test('a DumpDir that cannot be used ends the start with exit code 2', async t => {
  const { config, dumpDir } = await scene(t)
  await writeFile(dumpDir, 'a file in its place')
  const overseer = await spawnService(t, 'overseer', { config })
  assert.equal((await overseer.exit).code, 2)
  assert.match(overseer.output.join('\n'), /"DumpDir": .* is not a directory/)
})
