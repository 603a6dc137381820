import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { loadConfig } from '@cuckoo-distributed/core'
import { cuckooProblems } from '@cuckoo-distributed/sandbox-client'
import { CheckResultsSchema } from '../src/config.js'

const example = fileURLToPath(new URL('../../../../configs/check_results.conf.json.example', import.meta.url))

/** The example of cynexit/cuckoo_distributed. */
const original = {
  Amqp: 'amqp://USER:PASSWORD@HOST:PORT',
  ConsumerQueue: 'worker/check_results',
  ProducerQueue: 'worker/parse_and_submit',
  FailedQueue: 'worker/failed',
  VerifySSL: true,
  PrefetchCount: 100,
  WaitBetweenRequests: 5,
  LogFile: '/leave/empty/for/no/log/or/path/to/file.txt',
  LogLevel: 'debug',
}

async function load(t: TestContext, config: object) {
  const folder = await mkdtemp(join(tmpdir(), 'config-'))
  t.after(() => rm(folder, { recursive: true }))
  const path = join(folder, 'check_results.conf.json')
  await writeFile(path, JSON.stringify(config))
  return loadConfig(path, CheckResultsSchema, {})
}

test('the example shows every key, with its default where it has one', async t => {
  const shown: unknown = JSON.parse(await readFile(example, 'utf8'))
  assert.deepEqual(Object.keys(shown ?? {}).sort(), Object.keys(CheckResultsSchema.properties).sort())
  const { Amqp, ConsumerQueue, ProducerQueue, FailedQueue } = original
  assert.deepEqual(await load(t, { Amqp, ConsumerQueue, ProducerQueue, FailedQueue }), shown)
})

test("the Go suite's example loads unchanged, and new keys have their defaults", async t => {
  const config = await load(t, original)
  assert.equal(config.WaitBetweenRequests, 5)
  assert.equal(config.AnalysisDeadline, 86_400)
  assert.deepEqual(config.AllowedCuckooURLs, [])
})

test('WaitBetweenRequests may be 0 or a fraction, but not negative', async t => {
  assert.equal((await load(t, { ...original, WaitBetweenRequests: 0 })).WaitBetweenRequests, 0)
  assert.equal((await load(t, { ...original, WaitBetweenRequests: 0.5 })).WaitBetweenRequests, 0.5)
  await assert.rejects(load(t, { ...original, WaitBetweenRequests: -1 }), /"WaitBetweenRequests" must be >= 0/)
})

test('an allowed URL that cannot be used is named, without its password', async t => {
  const problems = cuckooProblems(
    await load(t, { ...original, AllowedCuckooURLs: ['ftp://user:secret@cuckoo.example'] }),
  )
  assert.match(problems.join(), /^"AllowedCuckooURLs": a base URL must be absolute/)
  assert.ok(!problems.join().includes('secret'))
})

test('a URL in CuckooTokens that cannot be used is named, and the token is not shown', async t => {
  const CuckooTokens = { 'cuckoo:8090': 'secret', 'http://user@cuckoo:8090': 'secret', 'http://cuckoo:8090/': 'secret' }
  const problems = cuckooProblems(await load(t, { ...original, CuckooTokens }))
  assert.match(
    problems.join('\n'),
    /^"CuckooTokens": a base URL must be absolute.*\n"CuckooTokens": user and password have/,
  )
  assert.equal(problems.length, 2)
  assert.ok(!problems.join().includes('secret'))
  await assert.rejects(load(t, { ...original, CuckooTokens: { 'http://cuckoo:8090': '' } }), /"CuckooTokens/)
})
