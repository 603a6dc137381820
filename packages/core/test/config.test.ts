import assert from 'node:assert/strict'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import Type from 'typebox'
import { ConfigError, createLogger, loadConfig, prefetchKey, StageKeys } from '../src/index.js'

const schema = Type.Object(
  {
    ...StageKeys,
    VerifySSL: Type.Boolean({ default: true }),
    PrefetchCount: prefetchKey(5, 'messages at a time'),
    Lists: Type.Array(Type.String(), { default: [] }),
  },
  { additionalProperties: false },
)
const good = { Amqp: 'amqp://u:p@h:5672', ConsumerQueue: 'in', FailedQueue: 'failed' }

async function load(content: unknown, env: Record<string, string> = {}) {
  const path = join(await mkdtemp(join(tmpdir(), 'config-')), 'x.conf.json')
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content))
  return loadConfig(path, schema, env)
}

async function problemsOf(content: unknown): Promise<string> {
  try {
    await load(content)
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    return error.problems.join('\n')
  }
  assert.fail('the configuration was accepted')
}

test('defaults are filled in and the result cannot be changed', async () => {
  const config = await load(good)
  assert.equal(config.HoldLimit, 600)
  assert.equal(config.PrefetchCount, 5)
  assert.equal(config.LogLevel, 'info')
  assert.ok(Object.isFrozen(config) && Object.isFrozen(config.Lists))
})

test('all problems are told at once, each with its key', async () => {
  const problems = await problemsOf({
    Amqp: '',
    PrefetchCount: 0,
    VerifySSL: 'yes',
    LogLevel: 'loud',
    ConsumerQueue: 'in',
  })
  assert.match(problems, /"Amqp" must be a text or a list, not a text of 0 characters/)
  assert.match(problems, /"FailedQueue" is missing/)
  assert.match(problems, /"PrefetchCount" must be >= 1/)
  assert.match(problems, /"VerifySSL" must be true or false, not a text of 3 characters/)
  assert.match(problems, /"LogLevel" must be "debug" or "info" or "warning", not a text of 4 characters/)
})

test('an unknown key is refused with the nearest known one', async () => {
  assert.match(
    await problemsOf({ ...good, prefetchcount: 3 }),
    /"prefetchcount" is unknown; did you mean "PrefetchCount"\?/,
  )
  assert.match(await problemsOf({ ...good, Zzyzx: 3 }), /"Zzyzx" is unknown; this service has no such key/)
})

test('${NAME} is replaced from the environment, in lists too', async () => {
  const config = await load({ ...good, Amqp: 'amqp://u:${PW}@h', Lists: ['${PW}'] }, { PW: 's3cret' })
  assert.equal(config.Amqp, 'amqp://u:s3cret@h')
  assert.deepEqual(config.Lists, ['s3cret'])
})

test('a variable that is not set is an error that names key and variable', async () => {
  assert.match(
    await problemsOf({ ...good, Amqp: '${NO_SUCH}' }),
    /"Amqp" names the environment variable NO_SUCH, which is not set/,
  )
})

test('a file that is not JSON is told with its place, without its content', async () => {
  const problems = await problemsOf('{\n  "Amqp": "amqp://u:topsecret@h",\n  oops\n}')
  assert.match(problems, /is not JSON: see line 3, column 3|is not JSON: see character/)
  assert.doesNotMatch(problems, /topsecret/)
})

test('a missing file says so', async () => {
  await assert.rejects(loadConfig('/nonexistent/x.conf.json', schema, {}), /cannot be read: ENOENT/)
})

test('a log file on a full disk loses its lines, and nothing else', () => {
  const log = createLogger('test', { LogFile: '/dev/full', LogLevel: 'warning' })
  for (let line = 0; line < 3; line += 1) log.warn({ line }, 'not written')
  log.info('not asked for')
})
