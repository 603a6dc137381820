import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Skipper } from '../src/skipper.js'

/** One for all, as in a reader: a container that did not end leaves nothing behind. */
const skipper = new Skipper()

/** The length of the container at the beginning of `bytes`, read in pieces that end at `cuts`; undefined if it does not end. */
function containerLength(bytes: Uint8Array, cuts: readonly number[]): number | undefined {
  skipper.begin(0)
  let from = 0
  for (const to of [...cuts, bytes.length]) {
    skipper.load(bytes.subarray(from, to))
    const end = skipper.run(0)
    if (end !== -1) return from + end
    from = to
  }
  return undefined
}

const TAIL = Buffer.from('}]"\\{[')

test('a container cut at every byte ends where it ends', () => {
  const text = '{"a":[{"b":"\\\\\\"}]{"},[],"\\\\",{"é€😀{":"\\ud83d\\"["}],"c":{"d":{}},"e":"\\\\\\\\\\\\"}'
  const bytes = Buffer.from(text)
  for (let cut = 0; cut <= bytes.length; cut++) {
    assert.equal(containerLength(Buffer.concat([bytes, TAIL]), [cut]), bytes.length, `cut at ${cut}`)
  }
  const everywhere = Array.from(bytes, (_, index) => index)
  assert.equal(containerLength(bytes, everywhere), bytes.length)
})

test('escapes are understood at every place of a 64-byte block', () => {
  for (let blanks = 0; blanks < 140; blanks++) {
    for (let slashes = 0; slashes < 6; slashes++) {
      const inner = '\\'.repeat(slashes * 2)
      const bytes = Buffer.from(`[${' '.repeat(blanks)}"${inner}\\"]${inner}","${inner}",[]]`)
      for (const cut of [blanks + 1, blanks + 2 + slashes, blanks + 3 + slashes, 63, 64, 65, 128]) {
        const at = Math.min(cut, bytes.length)
        assert.equal(containerLength(Buffer.concat([bytes, TAIL]), [at]), bytes.length)
      }
    }
  }
})

test('arbitrary JSON ends where its text ends, and never earlier', () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue()), fc.constantFrom(0, 4), fc.array(fc.nat()), (value, indent, places) => {
      const bytes = Buffer.from(JSON.stringify(value, null, indent))
      const cuts = places.map(place => place % (bytes.length + 1)).sort((a, b) => a - b)
      assert.equal(containerLength(Buffer.concat([bytes, TAIL]), cuts), bytes.length)
      assert.equal(containerLength(bytes.subarray(0, -1), cuts), undefined)
    }),
  )
})

test('a list is read up to its end, or up to the last object or list that is complete', () => {
  const parts = [
    '1',
    '{"a": [1, {}]}',
    '"]}\\\\\\"{"',
    '[]',
    '[[["\\\\"]], 5]',
    'null',
    `{"b": "${'x'.repeat(70)}"}`,
    '"y"',
  ]
  let text = '  '
  const ends = parts.flatMap((part, index) => {
    text += index === 0 ? part : `, ${part}`
    return /^[[{]/.test(part) ? [text.length] : []
  })
  const closing = text.length
  text += ']'
  for (let length = 0; length <= text.length; length++) {
    skipper.load(Buffer.from(text.slice(0, length)))
    const expected = length > closing ? closing : (ends.findLast(end => end <= length) ?? 0)
    assert.equal(skipper.elements(0), expected, text.slice(0, length))
  }
})

test('a million brackets are only counted', () => {
  const bytes = Buffer.concat([Buffer.alloc(1_000_000, '['), Buffer.alloc(1_000_000, ']'), TAIL])
  const cuts = Array.from({ length: 40 }, (_, index) => index * 50_000)
  assert.equal(containerLength(bytes, cuts), 2_000_000)
})
