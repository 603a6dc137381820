import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { ConfigError, loadConfig } from '@cuckoo-distributed/core'
import { OverseerSchema, ownQueues, unusable } from '../src/config.js'
import { temporaryDir } from './support.js'

/** cynexit/cuckoo_distributed:overseer/overseer.conf.json.example */
const goExample = {
  Amqp: 'amqp://USER:PASSWORD@HOST:PORT',
  ConsumerQueue: 'worker/failed',
  PrefetchCount: 10,
  DumpDir: '/folder/to/dump/failed/messages',
  LogFile: '/leave/empty/for/no/log/or/path/to/file.txt',
  LogLevel: 'debug',
}

async function load(t: TestContext, config: object) {
  const file = join(await temporaryDir(t), 'overseer.conf.json')
  await writeFile(file, JSON.stringify(config))
  return loadConfig(file, OverseerSchema, {})
}

test('the configuration of the Go suite loads, with three tries a minute apart', async t => {
  const config = await load(t, goExample)
  assert.equal(config.PrefetchCount, 10)
  assert.deepEqual(config.RetryDelays, [60, 60, 60])
  assert.equal(config.VerifySSL, true)
})

test('the example shows every key, with its default where it has one', async t => {
  const example = fileURLToPath(new URL('../../../../configs/overseer.conf.json.example', import.meta.url))
  const shown: unknown = JSON.parse(await readFile(example, 'utf8'))
  assert.deepEqual(Object.keys(shown ?? {}).sort(), Object.keys(OverseerSchema.properties).sort())
  const { Amqp, ConsumerQueue, DumpDir } = goExample
  assert.deepEqual(await load(t, { Amqp, ConsumerQueue, DumpDir }), shown)
})

test('a delay that has no queue is refused with those that have one', async t => {
  await assert.rejects(load(t, { ...goExample, RetryDelays: [1, 30] }), (error: unknown) => {
    assert.ok(error instanceof ConfigError)
    assert.match(error.message, /"RetryDelays.1" must be 1 or 10 or 60 or 300 or 600, not 30/)
    return true
  })
})

test('no delays at all are allowed: everything is dumped at once', async t => {
  assert.deepEqual((await load(t, { ...goExample, RetryDelays: [] })).RetryDelays, [])
})

test('what cannot be used is named with its key', async t => {
  const dir = await temporaryDir(t)
  const usable = await load(t, { ...goExample, DumpDir: join(dir, 'dumps'), CritsURL: 'https://crits.example.org/sub' })
  assert.deepEqual(unusable(usable), [])
  const bad = { DumpDir: join(dir, 'none', 'dumps'), CritsURL: 'crits', AllowedCritsURLs: ['http://ok', 'ftp://x'] }
  const problems = unusable(await load(t, { ...goExample, ...bad }))
  assert.deepEqual(
    problems.map(problem => problem.split(':', 1)[0]),
    ['"CritsURL"', '"AllowedCritsURLs"', '"DumpDir"'],
  )
})

test('a file in the place of DumpDir cannot be used', async t => {
  const file = join(await temporaryDir(t), 'file')
  await writeFile(file, '')
  assert.match(unusable(await load(t, { ...goExample, DumpDir: file })).join(), /"DumpDir": .* is not a directory/)
})

test('every delay queue belongs to the overseer whatever RetryDelays says', async t => {
  const names = ownQueues(await load(t, { ...goExample, RetryDelays: [] })).map(queue => queue.name)
  const delays = [1, 10, 60, 300, 600].map(seconds => `worker/failed.delay.${seconds}`)
  assert.deepEqual(names, ['worker/failed', ...delays])
})

test('quorum queues have a place for what exceeds their delivery limit', async t => {
  const queues = ownQueues(await load(t, { ...goExample, QueueType: 'quorum' }))
  assert.deepEqual(queues[0], { name: 'worker/failed.lost' })
  assert.ok(queues.slice(1).every(queue => queue.deadLetterTo === 'worker/failed.lost'))
})
