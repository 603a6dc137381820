import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { credentials, exchange, FORM, multipart } from './crits-http.js'
import { answer, type Scene, withScene } from './crits-scene.js'

const SORRY = '{"error_message": "Sorry, this request could not be processed. Please try again later."}'
const UNKNOWN = '00000000-0000-0000-0000-000000000000'

function stored({ crits, analysisId }: Scene) {
  const { results, log, status, finishDate } = crits.analyses.get(analysisId) ?? assert.fail('no analysis')
  const lines = log.map(({ level, message }) => ({ level, message }))
  return { results, log: lines, status, finished: finishDate !== undefined }
}

const NOTHING = { results: [], log: [], status: 'started', finished: false }

// Request, answer and document afterwards, as genuine CRITs servers gave them.
const SINGLE = { result: 'value', result_type: '{}', result_subtype: 'sub' }
const BATCH = { result_is_batch: 'true', result: '["a"]', result_type: '["{}"]', result_subtype: '["s1"]' }

const STORED: readonly [string, Record<string, string>, Partial<typeof NOTHING> | Record<string, unknown>][] = [
  ['a log line', { log_message: 'hello' }, { log: [{ level: 'info', message: 'hello' }] }],
  ['a log level', { log_message: 'hello', log_level: 'warning' }, { log: [{ level: 'warning', message: 'hello' }] }],
  ['UTF-8 in a log line', { log_message: 'Grüße 🎉' }, { log: [{ level: 'info', message: 'Grüße 🎉' }] }],
  ['no empty log line', { log_message: '' }, {}],
  ['finish=1 as completed', { finish: '1' }, { status: 'completed', finished: true }],
  ['finish=0 as completed', { finish: '0' }, { status: 'completed', finished: true }],
  ['finish=false as completed', { finish: 'false' }, { status: 'completed', finished: true }],
  ['an empty finish as nothing', { finish: '' }, {}],
  ['status=error with finish', { finish: '1', status: 'error' }, { status: 'error', finished: true }],
  ['any other status as completed', { finish: '1', status: 'running' }, { status: 'completed', finished: true }],
  ['no status without finish', { status: 'error' }, {}],
  [
    'a single result',
    { ...SINGLE, result_type: '{"k":"v"}' },
    { results: [{ subtype: 'sub', result: 'value', k: 'v' }] },
  ],
  ['no single result that is empty', { ...SINGLE, result: '' }, {}],
  ['an empty list as no fields', { ...SINGLE, result_type: '[]' }, { results: [{ subtype: 'sub', result: 'value' }] }],
  [
    'keys result and subtype over the real ones',
    { ...SINGLE, result_type: '{"result":"other","subtype":"x"}' },
    { results: [{ subtype: 'x', result: 'other' }] },
  ],
  [
    'a batch with result_is_batch=false',
    { ...BATCH, result_is_batch: 'false' },
    { results: [{ subtype: 's1', result: 'a' }] },
  ],
  [
    'a batch in the order it has',
    { ...BATCH, result: '["a","b"]', result_type: '["{}","{\\"k\\":1}"]', result_subtype: '["s1","s2"]' },
    {
      results: [
        { subtype: 's1', result: 'a' },
        { subtype: 's2', result: 'b', k: 1 },
      ],
    },
  ],
  [
    'results that are no text as they are',
    { ...BATCH, result: '[1,null,{"x":1}]', result_type: '["{}","{}","{}"]', result_subtype: '["s","s","s"]' },
    {
      results: [
        { subtype: 's', result: 1 },
        { subtype: 's', result: null },
        { subtype: 's', result: { x: 1 } },
      ],
    },
  ],
  [
    'a JSON escape inside a literal as six characters',
    { ...BATCH, result_type: '["{\\"k\\":\\"\\\\u00fc\\"}"]' },
    { results: [{ subtype: 's1', result: 'a', k: '\\u00fc' }] },
  ],
  [
    'result, log and finish of one request',
    { ...SINGLE, log_message: 'm', finish: '1' },
    {
      results: [{ subtype: 'sub', result: 'value' }],
      log: [{ level: 'info', message: 'm' }],
      status: 'completed',
      finished: true,
    },
  ],
]

const REFUSED: readonly [string, Record<string, string>, string][] = [
  ['no type', { result: 'value', result_subtype: 'sub' }, 'When adding a result, also need type and subtype'],
  ['no subtype', { result: 'value', result_type: '{}' }, 'When adding a result, also need type and subtype'],
  [
    'different lengths',
    { ...BATCH, result: '["a","b"]' },
    'When adding results in batch result, result_type, and result_subtype must have the same length!',
  ],
]

const CRASHES: readonly [string, Record<string, string>][] = [
  ['hello as a literal', { ...SINGLE, result_type: 'hello' }],
  ['true in a literal', { ...SINGLE, result_type: '{"k":true}' }],
  ['null in a literal', { ...SINGLE, result_type: '{"k":null}' }],
  ['a leading space', { ...SINGLE, result_type: ' {"k":"v"}' }],
  ['a string with content', { ...SINGLE, result_type: '"abc"' }],
  ['a list with content', { ...SINGLE, result_type: '[1]' }],
  ['a number', { ...SINGLE, result_type: '5' }],
  ['a number as key', { ...SINGLE, result_type: '{1:2}' }],
  ['an integer beyond 8 bytes', { ...SINGLE, result_type: '{"e":12345678901234567890123}' }],
  ['a key with a dot', { ...SINGLE, result_type: '{"a.b":1}' }],
  ['a key with a dollar sign', { ...SINGLE, result_type: '{"$set":1}' }],
  ['one value as a batch', { ...BATCH, result: 'a', result_type: '{}', result_subtype: 's1' }],
  ['a batch as one value', { ...BATCH, result_is_batch: '' }],
  ['bad JSON in a batch', { ...BATCH, result: '[a]' }],
  ['objects for literals', { ...BATCH, result_type: '[{"k":1}]' }],
  ['an empty literal in a batch', { ...BATCH, result_type: '[""]' }],
  ['an object for a list', { ...BATCH, result: '{"a":1}', result_type: '{"a":"{}"}', result_subtype: '{"a":"s"}' }],
  [
    'one bad literal among good ones',
    { ...BATCH, result: '["a","b"]', result_type: '["{}","{\\"k\\":true}"]', result_subtype: '["s1","s2"]' },
  ],
]

describe('POST /api/v1/services/', () => {
  for (const [name, fields, expected] of STORED) {
    test(`stores ${name}`, () =>
      withScene(async scene => {
        assert.deepEqual(await scene.post(fields), [200, scene.success])
        assert.deepEqual(stored(scene), { ...NOTHING, ...expected })
      }))
  }

  for (const [name, fields, message] of REFUSED) {
    test(`refuses a result with ${name} and does nothing else`, () =>
      withScene(async scene => {
        const text = `{"message": "${message}", "type": "Sample", "return_code": 1}`
        assert.deepEqual(await scene.post({ ...fields, log_message: 'm', finish: '1' }), [200, text])
        assert.deepEqual(stored(scene), NOTHING)
      }))
  }

  for (const [name, fields] of CRASHES) {
    test(`answers 500 to ${name} and does nothing else`, () =>
      withScene(async scene => {
        assert.deepEqual(await scene.post({ ...fields, log_message: 'm', finish: '1' }), [500, SORRY])
        assert.deepEqual(stored(scene), NOTHING)
      }))
  }

  test('wants three ids', () =>
    withScene(async scene => {
      const text = (type: string) =>
        `{"message": "Need an object type, object id, and analysis id.", "type": ${type}, "return_code": 1}`
      const { crits } = scene
      const call = { path: '/api/v1/services/', headers: { ...credentials(crits), ...FORM }, body: 'x=1' }
      assert.equal((await exchange(crits.url, call)).text, text('null'))
      assert.deepEqual(await scene.post({ object_id: '', log_message: 'x' }), [200, text('"Sample"')])
      assert.deepEqual(await scene.post({ analysis_id: '', log_message: 'x' }), [200, text('"Sample"')])
    }))

  test('answers success for a result or finish of an unknown analysis and stores nothing', () =>
    withScene(async scene => {
      for (const id of [UNKNOWN, 'abc', scene.analysisId.toUpperCase()]) {
        assert.deepEqual(await scene.post({ ...SINGLE, finish: '1', analysis_id: id }), [200, scene.success])
        const refused = answer(scene.objectId, ', Could not find task to add log to.', 1)
        assert.deepEqual(await scene.post({ log_message: 'x', analysis_id: id }), [200, refused])
      }
      assert.deepEqual(stored(scene), NOTHING)
    }))

  test('knows an analysis no more that was deleted', () =>
    withScene(async scene => {
      scene.crits.deleteAnalysis(scene.analysisId)
      assert.deepEqual(await scene.post({ ...SINGLE, finish: '1' }), [200, scene.success])
      const refused = answer(scene.objectId, ', Could not find task to add log to.', 1)
      assert.deepEqual(await scene.post({ log_message: 'x' }), [200, refused])
      assert.equal(scene.crits.analyses.size, 0)
    }))

  test('names an unknown object once for each part', () =>
    withScene(async scene => {
      const id = '0'.repeat(24)
      const part = ', Could not find object to add results to.'
      const fields = { object_id: id, ...SINGLE, log_message: 'x', finish: '1' }
      assert.deepEqual(await scene.post(fields), [200, answer(id, part.repeat(3), 1)])
      assert.deepEqual(stored(scene), NOTHING)
    }))

  test('does not find an object of a source the user does not have', () =>
    withScene(async scene => {
      const { id } = scene.crits.addSample({ bytes: Buffer.from('other'), source: 'Other' })
      const refused = answer(id, ', Could not find object to add results to.', 1)
      assert.deepEqual(await scene.post({ object_id: id, log_message: 'x' }), [200, refused])
    }))

  test('answers 500 to an unknown type, a type in lower case, a malformed object id', () =>
    withScene(async scene => {
      assert.deepEqual(await scene.post({ object_type: 'Foo', log_message: 'x' }), [500, SORRY])
      assert.deepEqual(await scene.post({ object_type: 'sample' }), [500, SORRY])
      assert.deepEqual(await scene.post({ object_id: 'abc', log_message: 'x' }), [500, SORRY])
    }))

  test('tries log and finish after a refused empty batch', () =>
    withScene(async scene => {
      const refused = answer(scene.objectId, ', Need a result, type, and subtype to add a result.', 1)
      const empty = { ...BATCH, result: '[]', result_type: '[]', result_subtype: '[]' }
      assert.deepEqual(await scene.post({ ...empty, finish: '1' }), [200, refused])
      assert.equal(stored(scene).status, 'completed')
    }))

  test('accepts results after finish, and a second finish', () =>
    withScene(async scene => {
      await scene.post({ finish: '1', status: 'error' })
      await scene.post(SINGLE)
      await scene.post({ finish: '1' })
      assert.deepEqual(stored(scene).results, [{ subtype: 'sub', result: 'value' }])
      assert.equal(stored(scene).status, 'completed')
    }))

  test('stores nothing of a batch that makes the document too large', () =>
    withScene(
      async scene => {
        assert.deepEqual(await scene.post({ ...SINGLE, result: 'x'.repeat(2000) }), [200, scene.success])
        assert.deepEqual(await scene.post({ ...SINGLE, result: 'x'.repeat(2000) }), [500, SORRY])
        assert.deepEqual(await scene.post({ log_message: 'x'.repeat(2000) }), [500, SORRY])
        assert.deepEqual(await scene.post({ log_message: 'still fits' }), [200, scene.success])
        assert.equal(stored(scene).results.length, 1)
      },
      { documentLimit: 4000 },
    ))

  test('says what went wrong in debug mode only', () =>
    withScene(
      async scene => {
        const [status, text] = await scene.post({ ...SINGLE, result_type: 'true' })
        assert.equal(status, 500)
        assert.match(text, /^\{"error_message": "ValueError: malformed string.*", "traceback": "/)
      },
      { debug: true },
    ))

  test('takes JSON and multipart; in JSON booleans count, lists do not', () =>
    withScene(async scene => {
      const { crits, objectId, analysisId } = scene
      const ids = { object_type: 'Sample', object_id: objectId, analysis_id: analysisId }
      const send = (headers: Record<string, string>, body: string | Buffer) =>
        exchange(crits.url, { path: '/api/v1/services/', headers: { ...credentials(crits), ...headers }, body })
      const json = (fields: object) =>
        send({ 'content-type': 'application/json; charset=utf-8' }, JSON.stringify({ ...ids, ...fields }))
      assert.equal((await json({ finish: false, log_message: 'j' })).status, 200)
      assert.equal(
        (await json({ result: ['a'], result_type: ['{}'], result_subtype: ['s'], result_is_batch: true })).status,
        500,
      )
      assert.equal((await json({ ...BATCH, result_is_batch: true })).status, 200)
      const { headers, body } = multipart({ ...ids, log_message: 'mp' })
      assert.equal((await send(headers, body)).status, 200)
      assert.deepEqual(stored(scene), {
        ...NOTHING,
        results: [{ subtype: 's1', result: 'a' }],
        log: [
          { level: 'info', message: 'j' },
          { level: 'info', message: 'mp' },
        ],
      })
    }))
})
