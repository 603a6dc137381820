// Long lists in any pieces, against JSON.parse; and texts of servers that want to be seen in a log.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { JsonError } from '@cuckoo-distributed/json-scanner'
import { type Damage, damagedJson, fuzzing } from '@cuckoo-distributed/testing'
import fc from 'fast-check'
import { jsonElements } from '../src/json-elements.js'
import { excerptOf } from '../src/text.js'

const damage: fc.Arbitrary<Damage> = fc.record({
  values: fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 2 }),
  bytes: fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 2 }),
  cut: fc.option(fc.nat(), { freq: 3 }),
})
const member = fc.oneof(fc.jsonValue(), fc.constantFrom('}', ']', '"', '\\', '{"tasks":[{}]}', 'é', '\u2028'))
const element = fc.dictionary(fc.string({ maxLength: 3 }), member, { maxKeys: 3 })
const document = fc
  .tuple(fc.array(element, { maxLength: 4 }), member, damage)
  .map(([tasks, other, done]) => ({ tasks, bytes: damagedJson({ tasks, other: JSON.stringify(other) }, done) }))

/** What a list has, read as a whole; undefined when it is no list of objects. */
function listIn(bytes: Buffer): unknown[] | undefined {
  try {
    const { tasks } = JSON.parse(bytes.toString())
    return Array.isArray(tasks) && tasks.every(isObject) ? tasks : undefined
  } catch {
    return undefined
  }
}

/** Integers as doubles: those beyond 2^53 are read as text. */
function rounded(value: unknown): unknown {
  if (typeof value === 'string' && /^-?\d{16,}$/.test(value)) return Number(value)
  if (Array.isArray(value)) return value.map(rounded)
  if (!isObject(value)) return value
  return Object.fromEntries(Object.entries(Object(value)).map(([name, item]) => [name, rounded(item)]))
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

test('a list of objects is read in any pieces as JSON.parse reads it, and nothing else is taken for one', async t => {
  const property = fc.asyncProperty(document, fc.array(fc.nat(), { maxLength: 4 }), async ({ bytes }, at) => {
    const cuts = at.map(cut => cut % (bytes.length + 1)).sort((a, b) => a - b)
    const pieces = async function* () {
      for (const [index, cut] of [...cuts, bytes.length].entries()) yield bytes.subarray(cuts[index - 1] ?? 0, cut)
    }
    const expected = listIn(bytes)
    const read: unknown[] = []
    try {
      for await (const item of jsonElements(pieces(), 'tasks', { elementLimit: 1_000_000 })) read.push(item)
    } catch (error: unknown) {
      assert.ok(error instanceof JsonError, String(error))
      // Valid, but more than a reader is for: an element that is nested too deep, a key that damage has repeated.
      if (error.code !== 'too-deep' && error.code !== 'repeated') assert.equal(expected, undefined)
      return
    }
    // Python's words and raw control characters are read, too.
    if (expected === undefined) assert.match(bytes.toString(), /NaN|Infinity|\p{Cc}/u)
    else assert.deepEqual(rounded(read), rounded(expected))
  })
  await fc.assert(property, fuzzing(t, 300))
})

test('the excerpt of any text is short, on one line and without the secrets', t => {
  const part = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 30 }),
    fc.constantFrom(
      's3cret/key',
      encodeURIComponent('s3cret/key'),
      '<pre>',
      '</pre>',
      '<style>',
      '<!--',
      '\r\n',
      '\ud83d',
      'x'.repeat(190),
    ),
  )
  const property = fc.property(fc.array(part, { maxLength: 6 }), parts => {
    const excerpt = excerptOf(parts.join(''), ['s3cret/key'])
    assert.ok(excerpt.length <= 200 && !/\p{Cc}/u.test(excerpt), excerpt)
    assert.ok(!excerpt.includes('s3cret/key') && !excerpt.includes('s3cret%2Fkey'), excerpt)
  })
  fc.assert(property, fuzzing(t, 300))
})
