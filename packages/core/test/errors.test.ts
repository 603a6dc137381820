import assert from 'node:assert/strict'
import { test } from 'node:test'
import Type from 'typebox'
import {
  ChannelLost,
  ConfigError,
  describeError,
  errorCode,
  firstProblem,
  HoldLimitReached,
  InvalidMessageError,
  isPermanent,
  isSharedCause,
  PermanentError,
  ServiceError,
  StopRequested,
  toError,
  validator,
} from '../src/index.js'
import { problemsOf, shapeOf } from '../src/schema.js'

test('causes are told, three at most, each once and in one line', () => {
  const chain = ['a', 'b', 'c', 'd', 'e'].reduceRight<Error | undefined>(
    (cause, name) => new Error(name, { cause }),
    undefined,
  )
  assert.equal(describeError(chain), 'a: b: c: d')
  assert.equal(describeError(new Error('refused by h', { cause: new Error('refused') })), 'refused by h')
  assert.equal(describeError(new Error('one\n  two')), 'one | two')
})

test('a line is cut to its limit', () => {
  assert.equal(describeError('x'.repeat(1000)), 'x'.repeat(1000))
  assert.equal(describeError('x'.repeat(1001)), `${'x'.repeat(999)}…`)
  assert.equal(describeError('abcd', 3), 'ab…')
})

test('causes in a circle end', () => {
  const first = new Error('first')
  const second = new Error('second', { cause: first })
  first.cause = second
  assert.equal(describeError(first), 'first: second')
  first.cause = first
  assert.equal(describeError(first), 'first')
})

test('whatever was thrown is an error with a text', () => {
  for (const [thrown, text] of [
    ['a text', 'a text'],
    [undefined, 'undefined'],
    [null, '[object Null]'],
    [Symbol('s'), 'Symbol(s)'],
    [Object.create(null), '[object Object]'],
  ] as const) {
    assert.equal(toError(thrown).message, text)
  }
  assert.equal(describeError('http://u:s3cret@h'), 'http://[hidden]@h')
})

test('a validator fills in defaults only when asked to', () => {
  const schema = Type.Object({ A: Type.Integer({ default: 5 }) })
  const missing = {}
  const check = validator(schema)
  assert.equal(check(missing), false)
  assert.deepEqual([missing, firstProblem(check.errors)], [{}, { field: 'A', problem: 'is missing' }])
  assert.equal(validator(schema, { fillDefaults: true })(missing), true)
  assert.deepEqual(missing, { A: 5 })
})

test('each error has its code, its name and a text; a broken message is permanent, names its field and keeps its cause', () => {
  const cause = new Error('x')
  for (const [error, name, code, text] of [
    [new ServiceError('A', 'a'), 'ServiceError', 'A', 'a'],
    [new PermanentError('B', 'b'), 'PermanentError', 'B', 'b'],
    [
      new InvalidMessageError('F', 'is bad', { cause }),
      'InvalidMessageError',
      'INVALID_MESSAGE',
      'invalid message: F is bad',
    ],
    [new ConfigError('file', ['a', 'b']), 'ConfigError', 'CONFIG', 'file:\n  a\n  b'],
    [new StopRequested(), 'StopRequested', 'STOPPING', 'the process is stopping'],
    [new ChannelLost(), 'ChannelLost', 'CHANNEL_LOST', 'the channel that brought the message is gone'],
    [new HoldLimitReached(), 'HoldLimitReached', 'HOLD_LIMIT', 'the message was held for HoldLimit'],
  ] as const) {
    assert.deepEqual([error.name, error.code, errorCode(error), error.message], [name, code, code, text])
  }
  const invalid = new InvalidMessageError('F', 'is bad', { cause })
  assert.deepEqual([invalid.field, invalid.cause, new ConfigError('s', ['p']).problems], ['F', cause, ['p']])
  const of = (more: object) => Object.assign(new Error('x'), more)
  assert.deepEqual([of({ code: 'E' }), of({ code: 404 }), of({ code: {} }), of({})].map(errorCode), [
    'E',
    '404',
    'UNEXPECTED',
    'UNEXPECTED',
  ])
  const permanent = [invalid, of({ permanent: true }), of({ permanent: 'yes' }), of({}), new ServiceError('A', 'a')]
  assert.deepEqual(permanent.map(isPermanent), [true, true, false, false, false])
  const shared = [of({ sharedCause: true }), of({ sharedCause: 1 }), of({}), of({ sharedCause: true, permanent: true })]
  assert.deepEqual(shared.map(isSharedCause), [true, false, false, false])
})

test('a problem names the field by its path and the shape of its value, never the value', () => {
  const Inner = Type.Object({ a: Type.String({ minLength: 2 }) }, { additionalProperties: false })
  const schema = Type.Object({
    'x/y~z': Type.Optional(Type.Boolean()),
    inner: Inner,
    list: Type.Array(Type.Integer()),
    kind: Type.Union([Type.Literal('a'), Type.Literal(5), Type.Null(), Type.Object({})]),
    const: Type.Literal('s'),
    one: Type.Unsafe({ enum: ['p', 'q'] }),
    most: Type.Number({ maximum: 3 }),
  })
  const good = { inner: { a: 'ok' }, list: [1], kind: 'a', const: 's', one: 'p', most: 1 }
  const check = validator(schema)
  assert.equal(check(good), true)
  for (const [change, told] of [
    [{ 'x/y~z': 'secret' }, 'x/y~z must be true or false, not a text of 6 characters'],
    [{ inner: {} }, 'inner.a is missing'],
    [{ inner: { a: '' } }, 'inner.a is empty'],
    [{ inner: { a: 'ok', b: 'secret' } }, 'inner.b is unknown'],
    [{ inner: [1, 2] }, 'inner must be an object, not a list of 2'],
    [{ list: ['s'] }, 'list.0 must be an integer, not a text of 1 character'],
    [{ list: 12345 }, 'list must be a list, not a number'],
    [{ list: null }, 'list must be a list, not null'],
    [{ kind: true }, 'kind must be "a" or 5 or null or an object, not true'],
    [{ const: 't' }, 'const must be "s", not a text of 1 character'],
    [{ list: {} }, 'list must be a list, not an object'],
    [{ one: '' }, 'one must be one of "p", "q", not an empty text'],
    [{ most: 4 }, 'most must be <= 3 (it is 4)'],
  ] as const) {
    assert.equal(check({ ...good, ...change }), false, told)
    assert.deepEqual(
      problemsOf(check.errors).map(({ field, problem }) => `${field} ${problem}`),
      [told],
    )
  }
  assert.equal(check(undefined), false)
  assert.deepEqual(firstProblem(check.errors), { field: 'body', problem: 'must be an object, not undefined' })
  assert.deepEqual(firstProblem(null), { field: 'body', problem: 'is not valid' })
  assert.deepEqual(problemsOf(undefined), [])
  assert.deepEqual([undefined, [], 'x', false, 0, {}].map(shapeOf), [
    'undefined',
    'a list of 0',
    'a text of 1 character',
    'false',
    '0',
    'an object',
  ])
})
