import assert from 'node:assert/strict'
import { test } from 'node:test'
import Type from 'typebox'
import { describeError, firstProblem, toError, validator } from '../src/index.js'

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
