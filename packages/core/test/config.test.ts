import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
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
    Tokens: Type.Record(Type.String(), Type.String(), { default: {} }),
  },
  { additionalProperties: false },
)
const good = { Amqp: 'amqp://u:p@h:5672', ConsumerQueue: 'in', FailedQueue: 'failed' }

async function load(content: unknown, env: Record<string, string> = {}, warn?: (warning: string) => void) {
  const folder = await mkdtemp(join(tmpdir(), 'config-'))
  try {
    const path = join(folder, 'x.conf.json')
    await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content))
    return await loadConfig(path, schema, env, warn && { warn })
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function problemsOf(content: unknown, env: Record<string, string> = {}): Promise<string> {
  try {
    await load(content, env)
  } catch (error: unknown) {
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
  assert.match(problems, /"Amqp" must be a text or a list, not an empty text/)
  assert.match(problems, /"FailedQueue" is missing/)
  assert.match(problems, /"PrefetchCount" must be >= 1/)
  assert.match(problems, /"VerifySSL" must be true or false, not a text of 3 characters/)
  assert.equal(problems.split('\n').length, 5, 'one line for each')
  assert.match(problems, /"LogLevel" must be "debug" or "info" or "warning", not a text of 4 characters/)
})

test('an unknown key is refused with the nearest known one', async () => {
  assert.match(
    await problemsOf({ ...good, prefetchcounts: 3 }),
    /"prefetchcounts" is unknown; did you mean "PrefetchCount"\?/,
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
  assert.equal(problems, 'is not JSON: see line 3, column 3')
})

for (const [what, text, place] of [
  ['a text without quotes', '{\n  "Amqp": topsecret\n}', 'line 2, column 11'],
  ['a name without quotes', '{"Amqp": "topsecret", x: 1}', 'line 1, column 23'],
  ['a comma too many', '{\n  "Amqp": "topsecret",\n}', 'line 3, column 1'],
  ['a line break inside a text', '{\n "Amqp": "topsecret\n"}', 'line 2, column 20'],
  ['an end that is too early', '{"Amqp": "topsecret"', 'line 1, column 21'],
  ['something behind the end', '{} topsecret', 'line 1, column 4'],
  ['nothing at all', '', 'line 1, column 1'],
  ['an unknown escape', '{"Amqp": "topsecret\\q"}', 'line 1, column 21'],
] as const) {
  test(`a fault in JSON has a place, and nothing is shown: ${what}`, async () => {
    const problems = await problemsOf(text)
    assert.equal(problems, `is not JSON: see ${place}`)
  })
}

test('JSON whose fault cannot be found is refused all the same', async () => {
  assert.equal(await problemsOf('['.repeat(200_000)), 'is not JSON')
  assert.equal(await problemsOf(`{"a": oops, "b": "${'x'.repeat(1_100_000)}"}`), 'is not JSON')
})

test('a byte order mark is no fault', async () => {
  assert.equal((await load(`\ufeff${JSON.stringify(good)}`)).ConsumerQueue, 'in')
})

test('the case of a name does not count, and a warning says how it is written', async () => {
  const warnings: string[] = []
  const config = await load({ ...good, prefetchcount: 3 }, {}, warning => warnings.push(warning))
  assert.equal(config.PrefetchCount, 3)
  assert.deepEqual(warnings, ['"prefetchcount" is taken as "PrefetchCount"; write it like that'])
  assert.match(
    await problemsOf({ ...good, prefetchcount: 3, PrefetchCount: 4 }),
    /"prefetchcount" is there as "PrefetchCount" as well/,
  )
})

for (const secret of ['p@ss/w0rd', '12#s3cret', 'a?b', 'a:b', 'ü%', 'plain', '${X}', '$&']) {
  test(`a variable in the user info of a URL is percent-encoded where it is put in: ${secret}`, async () => {
    const config = await load(
      { ...good, Amqp: 'amqp://${USER}:${PW}@h:5672/${VHOST}' },
      { PW: secret, USER: secret, VHOST: 'v' },
    )
    assert.equal(config.Amqp, `amqp://${encodeURIComponent(secret)}:${encodeURIComponent(secret)}@h:5672/v`)
  })
}

test('a variable elsewhere is put in as it is', async () => {
  const env = { URL: 'amqp://u:p%40@h', HOST: 'h:5672', TEXT: 'a@b/c' }
  assert.equal((await load({ ...good, Amqp: '${URL}' }, env)).Amqp, 'amqp://u:p%40@h')
  assert.equal((await load({ ...good, Amqp: 'amqp://u:p@${HOST}' }, env)).Amqp, 'amqp://u:p@h:5672')
  assert.equal((await load({ ...good, Amqp: 'amqp://${HOST}' }, env)).Amqp, 'amqp://h:5672')
  assert.equal((await load({ ...good, LogFile: '${TEXT}' }, env)).LogFile, 'a@b/c')
})

for (const url of [
  'amqp://guest:s3cr/et@h',
  'amqp://guest:12#s3cret@h',
  'http://u:s3?cret@h',
  'postgres://u:12/s3cret@h/db',
  'http://u:s3cret\\@h',
  'http://u:s3cret%@h',
  'http://u:s3%zzcret@h',
  'http://u:a@b/s3cret@h',
]) {
  test(`user info that cannot be told from the rest is refused, and nothing of it shown: ${url}`, async () => {
    for (const content of [
      { ...good, Amqp: url },
      { ...good, Lists: ['x', url] },
      { ...good, Lists: { [url]: 'x' } },
    ]) {
      const problems = await problemsOf(content)
      assert.match(problems, /^"(Amqp|Lists)" .*percent-encode what is special there: @ is %40/m)
      assert.doesNotMatch(problems, /cret|12|guest/)
    }
    assert.match(await problemsOf({ ...good, Amqp: '${URL}' }, { URL: url }), /percent-encode/)
  })
}

test('user info that can be told from the rest is fine, and so is an @ in what is no URL', async () => {
  for (const url of [
    'amqp://u:p%40%2F@h/v',
    'amqp://u:p@ss@h',
    'http://h/a%40b',
    'http://h',
    'a/b@c',
    'amqp://h?x=1',
  ]) {
    assert.equal((await load({ ...good, Amqp: url })).Amqp, url)
  }
})

test('a file must hold one object, not too deep', async () => {
  for (const text of ['[]', 'null', '5', '"x"']) assert.equal(await problemsOf(text), 'must hold one JSON object')
  const nested = (depth: number) => `${'['.repeat(depth)}"x"${']'.repeat(depth)}`
  assert.match(await problemsOf(`{"Lists": ${nested(8)}}`), /^(?!.*too deep)/s)
  assert.match(await problemsOf(`{"Lists": ${nested(9)}}`), /"Lists[.0]*" is nested too deep/)
})

test('a name that holds a password is not shown', async () => {
  const problems = await problemsOf({ ...good, Tokens: { 'http://u:s3cret@h': 5 } })
  assert.match(problems, /^"Tokens\.http:\/\/\[hidden\]@h" must be a text, not a number$/)
})

test('a missing file says so', async () => {
  await assert.rejects(loadConfig('/nonexistent/x.conf.json', schema, {}), /there is no such file/)
  await assert.rejects(loadConfig('/', schema, {}), /is a directory/)
})

test('a log file on a full disk loses its lines, and nothing else', () => {
  const log = createLogger('test', { LogFile: '/dev/full', LogLevel: 'warning' })
  for (let line = 0; line < 3; line += 1) log.warn({ line }, 'not written')
  log.info('not asked for')
})
