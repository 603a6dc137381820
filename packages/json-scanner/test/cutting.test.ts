// Long strings of values that are built, against the units that they were written of.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fuzzing } from '@cuckoo-distributed/testing'
import fc from 'fast-check'
import { read } from './collect.js'

/** Characters as they may be written; a cut never goes through one. */
const UNITS = [
  'x',
  'u',
  ' ',
  '{',
  ']',
  'é',
  '€',
  '😀',
  '\\n',
  '\\"',
  '\\\\',
  '\\/',
  '\\u00e9',
  '\\u0022',
  '\\u005c',
  '\\ud83d',
]
const written = fc.array(fc.constantFrom(...UNITS), { maxLength: 40 })

/** What is left of a string: whole units until there are at least `max` bytes, if there is a further one. */
function cut(units: readonly string[], max: number): string {
  let bytes = 0
  const at = units.findIndex(unit => {
    if (bytes >= max) return true
    bytes += Buffer.byteLength(unit)
    return false
  })
  const kept: string = JSON.parse(`"${units.slice(0, at === -1 ? undefined : at).join('')}"`)
  return at === -1 ? kept : `${kept} [cut: ${Buffer.byteLength(units.join(''))} bytes]`
}

test('a string is cut behind the character that reaches the limit, wherever it is and in whatever pieces it comes', t => {
  const limit = fc.integer({ min: 1, max: 30 })
  const places = fc.array(fc.nat(), { maxLength: 8 })
  const property = fc.property(fc.array(written, { minLength: 3, maxLength: 3 }), limit, places, (strings, max, at) => {
    const [a = '', b = '', c = ''] = strings.map(units => `"${units.join('')}"`)
    const document = Buffer.from(`{"l":[${a},{"k":[${b},1]}],"s":${c},"z":"\\""}`)
    const cuts = at.map(place => place % (document.length + 1)).sort((x, y) => x - y)
    const [first, second, third] = strings.map(units => cut(units, max))
    const whole = read(document, { l: 'all', s: 'all', z: 'all' }, { cuts, maxStringBytes: max })
    assert.deepEqual(whole.found, { l: [first, { k: [second, 1] }], s: third, z: '"' })
    assert.equal(whole.cut, [first, second, third].filter(text => text?.endsWith(' bytes]')).length)
    const everywhere = Array.from(document, (_, index) => index)
    const byBytes = read(
      document,
      { l: { items: 'all' }, s: 'all', z: 'all' },
      { cuts: everywhere, maxStringBytes: max },
    )
    assert.deepEqual(byBytes, whole)
  })
  fc.assert(property, fuzzing(t, 500))
})

test('a value that is longer than all buffers is whole, in pieces of any size', () => {
  const value = Array.from({ length: 3000 }, (_, index) => ({ index, text: 'é"\\'.repeat(index % 50) }))
  const document = JSON.stringify({ value, long: 'y'.repeat(300_000), after: [1] })
  for (const size of [1000, 16_384, 65_535, 65_536, 200_000]) {
    const cuts = Array.from(
      { length: Math.floor(Buffer.byteLength(document) / size) },
      (_, index) => (index + 1) * size,
    )
    const { found } = read(document, { value: 'all', long: 'all', after: 'all' }, { cuts })
    assert.deepEqual(found, { value, long: 'y'.repeat(300_000), after: [1] })
  }
})
