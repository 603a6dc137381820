import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { loadConfig } from '@cuckoo-distributed/core'
import { FeedCuckooSchema, unusable } from '../src/config.js'
import { feedCuckoo } from '../src/service.js'

const example = fileURLToPath(new URL('../../../../configs/feed_cuckoo.conf.json.example', import.meta.url))

/** The example of cynexit/cuckoo_distributed. */
const original = {
  Amqp: 'amqp://USER:PASSWORD@HOST:PORT',
  ConsumerQueue: 'worker/feed_cuckoo',
  ProducerQueue: 'worker/check_results',
  FailedQueue: 'worker/failed',
  VerifySSL: true,
  CheckFreeSpace: false,
  CuckooURL: 'https://cuckoo.your.network:PORT',
  PrefetchCount: 1,
  MaxPending: 10,
  LogFile: '/leave/empty/for/no/log/or/path/to/file.txt',
  LogLevel: 'debug',
}

async function load(t: TestContext, config: object) {
  const folder = await mkdtemp(join(tmpdir(), 'config-'))
  t.after(() => rm(folder, { recursive: true }))
  const path = join(folder, 'feed_cuckoo.conf.json')
  await writeFile(path, JSON.stringify(config))
  return loadConfig(path, FeedCuckooSchema, {})
}

test('the example shows every key, with its default where it has one', async t => {
  const shown: unknown = JSON.parse(await readFile(example, 'utf8'))
  assert.deepEqual(Object.keys(shown ?? {}).sort(), Object.keys(FeedCuckooSchema.properties).sort())
  const { Amqp, ConsumerQueue, ProducerQueue, FailedQueue, CuckooURL } = original
  assert.deepEqual(await load(t, { Amqp, ConsumerQueue, ProducerQueue, FailedQueue, CuckooURL }), shown)
})

test("the Go suite's example loads unchanged, and new keys have their defaults", async t => {
  const config = await load(t, original)
  assert.equal(config.MaxPending, 10)
  assert.equal(config.MinFreeSpace, 268_435_456)
  assert.equal(config.MaxSampleSize, 268_435_456)
  assert.equal(config.FreeSpaceUnknown, 'go')
  assert.equal(config.CritsURL, '')
  assert.match(unusable(config).join(), /^"CuckooURL": a base URL must be absolute/)
})

test('an empty CritsURL is no mistake, but most likely not meant', async t => {
  assert.match(
    feedCuckoo.advise?.(await load(t, original)).join() ?? '',
    /^"CritsURL" is empty: messages without crits_url fail/,
  )
  assert.deepEqual(feedCuckoo.advise?.(await load(t, { ...original, CritsURL: 'http://crits.example' })), [])
})

test('MaxPending 0 is refused: it would wait for ever', async t => {
  await assert.rejects(load(t, { ...original, MaxPending: 0 }), /"MaxPending" must be >= 1/)
})

test('URLs and directories that cannot be used are all named, without their passwords', async t => {
  const config = await load(t, {
    ...original,
    CuckooURL: 'ftp://user:secret@cuckoo.example',
    CritsURL: 'crits',
    AllowedCritsURLs: ['http://ok.example', 'nonsense'],
    TmpDir: '/nowhere/at/all',
  })
  const problems = unusable(config)
  assert.deepEqual(
    problems.map(problem => problem.split(':')[0]),
    ['"CuckooURL"', '"CritsURL"', '"AllowedCritsURLs"', '"TmpDir"'],
  )
  assert.ok(!problems.join().includes('secret'))
})

test('credentials in a URL are used for Cuckoo; CRITs has its own, so there they are a mistake', async t => {
  const usable = { ...original, CuckooURL: 'http://user:pass@cuckoo.example/api/' }
  assert.deepEqual(unusable(await load(t, usable)), [])
  const [problem] = unusable(await load(t, { ...usable, CritsURL: 'https://user:pass@crits.example' }))
  assert.equal(problem, '"CritsURL": user and password have no effect here')
})
