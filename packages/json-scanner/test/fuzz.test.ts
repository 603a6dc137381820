// Documents as nobody should write them, by schemas that nobody has: read as JSON.parse reads them or refused, in whatever pieces they come.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Damage, damagedJson, fuzzing } from '@cuckoo-distributed/testing'
import fc from 'fast-check'
import { expected, type Fields, outcome, type Wanted } from './collect.js'

const KEYS = ['a', 'b', '__proto__', 'é"\\', ''] as const
const key = fc.constantFrom(...KEYS)
const { fields } = fc.letrec<{ wanted: Wanted; fields: Fields }>(tie => ({
  wanted: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom('all', 'nothing', 'bytes'),
    fc.record({ fields: tie('fields') }),
    fc.record({ items: tie('wanted') }),
  ),
  fields: fc.dictionary(key, tie('wanted'), { maxKeys: 4 }),
}))
const { object } = fc.letrec<{ value: unknown; object: Record<string, unknown> }>(tie => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.integer(),
      fc.double(),
      fc.boolean(),
      fc.constantFrom('}', ']"', '\\', null),
    ),
    fc.array(tie('value'), { maxLength: 5 }),
    tie('object'),
  ),
  object: fc.dictionary(key, tie('value'), { maxKeys: 4 }),
}))
const damage: fc.Arbitrary<Damage> = fc.record({
  values: fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 3 }),
  bytes: fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 2 }),
  cut: fc.option(fc.nat(), { freq: 3 }),
})
const document = fc.tuple(object, damage).map(([genuine, done]) => damagedJson(genuine, done))
const places = fc.array(fc.nat(), { maxLength: 5 })

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString())
  } catch {
    return undefined
  }
}

/** Integers as doubles: the reader keeps the digits that JSON.parse loses, as text. */
function rounded(value: unknown): unknown {
  if (typeof value === 'string' && /^-?\d{16,}$/.test(value)) return Number(value)
  if (typeof value === 'number') return value + 0
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(rounded)
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, rounded(item)]))
}

test('what is wanted of a JSON object is what JSON.parse finds there, in any pieces', t => {
  const property = fc.property(document, fields, places, (bytes, wanted, at) => {
    const whole = parsed(bytes)
    if (typeof whole !== 'object' || whole === null || Array.isArray(whole)) return
    const cuts = at.map(place => place % (bytes.length + 1)).sort((a, b) => a - b)
    const result = outcome(bytes, wanted, { cuts })
    // Damage made two keys the same.
    if ('code' in result && result.code === 'repeated') return
    assert.ok('found' in result, JSON.stringify(result))
    assert.deepEqual(rounded(result.found), rounded(expected(whole, { fields: wanted })))
  })
  fc.assert(property, fuzzing(t, 800))
})

test('any bytes give the same in any pieces, be it values or a refusal', t => {
  const stray = fc.uint8Array({ maxLength: 200 }).map(array => Buffer.from(array))
  const limits = fc.constantFrom(
    {},
    { maxStringBytes: 5 },
    { maxValueBytes: 20 },
    { maxStringBytes: 5, maxValueBytes: 9 },
  )
  const any = fc.oneof({ weight: 5, arbitrary: document }, stray)
  const property = fc.property(any, fields, places, limits, (bytes, wanted, at, limited) => {
    const cuts = at.map(place => place % (bytes.length + 1)).sort((a, b) => a - b)
    assert.deepEqual(outcome(bytes, wanted, { ...limited, cuts }), outcome(bytes, wanted, limited))
  })
  fc.assert(property, fuzzing(t, 800))
})

test('what is cut anywhere is refused as truncated', t => {
  const property = fc.property(object, fields, fc.nat(), (genuine, wanted, cut) => {
    const bytes = Buffer.from(JSON.stringify(genuine))
    const result = outcome(bytes.subarray(0, cut % bytes.length), wanted)
    assert.ok('code' in result && result.code === 'truncated', JSON.stringify(result))
  })
  fc.assert(property, fuzzing(t, 300))
})

test('where all is read, nothing but JSON is accepted', t => {
  const wanted: Fields = { a: 'all', b: 'all' }
  const property = fc.property(document, bytes => {
    const result = outcome(bytes, wanted, { isChecked: true })
    const isRead =
      'found' in result && result.trailing === 0 && !/"(syntax|too-deep)"/.test(JSON.stringify(result.found))
    // What Python writes beyond JSON is read, and so are raw control characters.
    if (isRead && !/NaN|Infinity|\p{Cc}/u.test(bytes.toString())) assert.notEqual(parsed(bytes), undefined)
  })
  fc.assert(property, fuzzing(t, 800))
})
