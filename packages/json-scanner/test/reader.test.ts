import assert from 'node:assert/strict'
import { test } from 'node:test'
import { JsonError, JsonReader, type Node, readJson } from '../src/index.js'
import { type Fields, outcome, read } from './collect.js'

const error =
  (code: string, offset?: number) =>
  (thrown: unknown): boolean =>
    thrown instanceof JsonError && thrown.code === code && (offset === undefined || thrown.offset === offset)

const HARD = {
  näme: '}]{["\\',
  'a"\\b': { deep: [{ x: '\\"}' }, [], 'y'], other: 5 },
  text: 'ü€😀\ud800\n',
  list: [1, 'two', null, { three: [3] }, [4]],
}
const WANTED: Fields = {
  'a"\\b': { fields: { deep: { items: { fields: { x: 'all' } } }, other: 'nothing' } },
  text: 'bytes',
  list: { items: 'all' },
}
const FOUND = { 'a"\\b': { deep: [{ x: '\\"}' }] }, text: HARD.text, list: HARD.list }

for (const indent of [0, 1, 8]) {
  test(`a document that is cut at every byte is the same (indent ${indent})`, () => {
    const text = JSON.stringify(HARD, undefined, indent)
    const bytes = Buffer.from(text)
    for (let cut = 0; cut <= bytes.length; cut += 1) assert.deepEqual(read(text, WANTED, { cuts: [cut] }).found, FOUND)
    const everywhere = Array.from(bytes, (_, index) => index)
    assert.deepEqual(read(text, WANTED, { cuts: everywhere }).found, FOUND)
  })
}

test('white space and a byte-order mark may come first, nothing else', () => {
  for (const cuts of [[], [1], [2], [1, 2, 3, 4]]) {
    assert.deepEqual(read('\ufeff \n\t\r{"a":1}', { a: 'all' }, { cuts }).found, { a: 1 })
  }
  assert.throws(() => read(' [{}]', {}), error('not-json', 1))
  assert.throws(() => read('  null', {}), error('not-json', 2))
})

test('what follows the document is counted, white space before it is not', () => {
  for (const cuts of [[], [2], [3], [4], [6], [11]]) assert.equal(read('{} \n{"a":1}\n', {}, { cuts }).trailing, 8)
  assert.equal(read('{} \r\n\t', {}).trailing, 0)
})

test('a wanted key that is there twice is an error, another one or a built value is none', () => {
  assert.throws(() => read('{"a":1,"a":2}', { a: 'all' }), error('repeated', 10))
  assert.throws(() => read('{"a":1,"\\u0061":[]}', { a: 'nothing' }), error('repeated'))
  assert.throws(() => read('{"a":{"b":1,"c":2,"b":3}}', { a: { fields: { b: 'all' } } }), error('repeated'))
  assert.deepEqual(read('{"b":1,"b":2,"a":{"b":1,"b":2}}', { a: 'all' }).found, { a: { b: 2 } })
  const list: Fields = { l: { items: { fields: { a: 'all' } } } }
  assert.deepEqual(read('{"l":[{"a":1},{"a":2}]}', list).found, { l: [{ a: 1 }, { a: 2 }] })
})

test('a value that is too large, too deep or broken goes to `unreadable`; without it, it is an error', () => {
  const [large, deep, broken] = [`"${'x'.repeat(200)}"`, '['.repeat(65) + ']'.repeat(65), '{"a":tru}']
  for (const cuts of [[], [20], [5, 6, 7, 8, 9]]) {
    const found = outcome(
      `{"l":[1,${large},${deep},${broken},{},tru,2]}`,
      { l: { items: 'all' } },
      { cuts, maxValueBytes: 150 },
    )
    assert.deepEqual('found' in found && found.found, { l: [1, 'too-large', 'too-deep', 'syntax', {}, 'syntax', 2] })
  }
  const strict = (text: string) => {
    const reader = new JsonReader({ fields: new Map([['a', { scalar() {}, container() {} }]]) }, { maxValueBytes: 150 })
    reader.push(Buffer.from(text))
  }
  assert.throws(() => strict(`{"a":${large}}`), error('too-large', 5))
  assert.throws(() => strict(`{"a":${deep}}`), error('too-deep', 5))
  assert.throws(() => strict(`{"a":${broken}}`), error('syntax', 10))
})

test('values of exactly the limits are read, of one byte more they are not', () => {
  const text = (length: number) => `{"a":"${'x'.repeat(length)}"}`
  for (const cuts of [[], [7], [10], [9, 10, 11, 12, 13, 14, 15, 16]]) {
    const large = { cuts, maxValueBytes: 12 }
    assert.deepEqual(read(text(10), { a: 'all' }, large).found, { a: 'x'.repeat(10) })
    assert.deepEqual(read(text(11), { a: 'all' }, large).found, { a: 'too-large' })
    assert.deepEqual(read(`{"a":[${'1'.repeat(10)}]}`, { a: 'all' }, large).found, { a: [1111111111] })
    assert.deepEqual(read(`{"a":[${'1'.repeat(11)}]}`, { a: 'all' }, large).found, { a: 'too-large' })
    assert.deepEqual(
      read(`{"l":[{"a":123},{"a":12345},{"a":1}]}`, { l: { items: 'all' } }, { cuts, maxValueBytes: 9 }).found,
      {
        l: [{ a: 123 }, 'too-large', { a: 1 }],
      },
    )
    const long = { cuts, maxStringBytes: 10 }
    assert.deepEqual(read(text(10), { a: 'all' }, long).found, { a: 'x'.repeat(10) })
    const cut = read(text(11), { a: 'all' }, long)
    assert.deepEqual([cut.found, cut.cut], [{ a: `${'x'.repeat(10)} [cut: 11 bytes]` }, 1])
  }
})

test('a key of 256 bytes can be wanted, a number of 1,024 bytes be read, longer ones are passed over', () => {
  for (const cuts of [[], [100], [250], [1, 2, 3, 200, 257, 258, 259]]) {
    const key = '\\u0061'.repeat(42)
    assert.deepEqual(read(`{"${key}":1}`, { ['a'.repeat(42)]: 'all' }, { cuts }).found, { ['a'.repeat(42)]: 1 })
    assert.deepEqual(read(`{"${'k'.repeat(10_000)}":1,"a":2}`, { a: 'all' }, { cuts }).found, { a: 2 })
  }
  const cuts = [10, 500, 1020]
  assert.equal(read(`{"a":0.${'1'.repeat(1022)}}`, { a: 'all' }, { cuts }).found.a, Number(`0.${'1'.repeat(1022)}`))
  assert.deepEqual(
    read(`{"a":0.${'1'.repeat(5000)},"b":1}`, { a: 'all', b: 'all' }, { cuts: [10, 500, 1020, 2000] }).found,
    { b: 1 },
  )
})

test('bytes are views of what was pushed, with their place, and the last piece says so', () => {
  const text = Buffer.from('{"skip":"no","a":"x\\"yz","b":2}')
  for (let cut = 1; cut < text.length; cut += 1) {
    const pieces: [string, number, boolean][] = []
    const reader = new JsonReader({
      fields: new Map([['a', { bytes: (piece, at, isLast) => pieces.push([piece.toString(), at, isLast]) }]]),
    })
    reader.push(text.subarray(0, cut))
    reader.push(text.subarray(cut))
    reader.end()
    assert.equal(pieces.map(([piece]) => piece).join(''), 'x\\"yz')
    for (const [piece, at] of pieces) assert.equal(text.toString('latin1', at, at + piece.length), piece)
    assert.deepEqual(
      pieces.map(([, , isLast]) => isLast),
      pieces.map((_, index) => index === pieces.length - 1),
    )
  }
  const buffers = new Set<unknown>()
  const reader = new JsonReader({ fields: new Map([['a', { bytes: piece => buffers.add(piece.buffer) }]]) })
  reader.push(text)
  assert.deepEqual([...buffers], [text.buffer])
})

test('the elements of a list are wanted one after the other, and its rest is passed over', () => {
  for (const cuts of [[], [12], Array.from({ length: 40 }, (_, index) => index)]) {
    for (const wanted of [0, 1, 3, 9]) {
      const items: unknown[] = []
      const after: unknown[] = []
      const push = (item: unknown) => void items.push(item)
      const l: Node = { array: { item: { scalar: push, container: push }, wanted: () => wanted - items.length } }
      const z: Node = { scalar: value => after.push(value) }
      const reader = new JsonReader({ fields: new Map(Object.entries({ l, z })) })
      const bytes = Buffer.from('{"l": [ 1, {"]": "]"}, [2], "three" ], "z": 7}')
      let from = 0
      for (const to of [...cuts, bytes.length]) {
        reader.push(bytes.subarray(from, to))
        from = to
      }
      reader.end()
      assert.deepEqual(items, [1, { ']': ']' }, [2], 'three'].slice(0, wanted))
      assert.deepEqual(after, [7])
    }
  }
})

test('an error tells what was expected and where, never what was there', () => {
  for (const [text, offset] of [
    ['{"a":}', 5],
    ['{"a" 1}', 5],
    ['{,}', 1],
    ['{"a":1,}', 7],
    ['{"a":1 "b":2}', 7],
    ['{"a":[1,]}', 8],
    ['{"a":secret}', 5],
    ['{"a":"secret\\q"}', 12],
    ['{"a":{"b":secret}}', 10],
  ] as const) {
    for (const cuts of [[], [3], [5, 6, 7, 8]]) {
      const reader = new JsonReader(
        { fields: new Map([['a', { scalar() {}, container() {}, array: { item: { scalar() {} } } }]]) },
        { document: 'list' },
      )
      const push = () => {
        let from = 0
        for (const to of [...cuts, text.length]) {
          reader.push(Buffer.from(text.slice(from, to)))
          from = to
        }
      }
      assert.throws(
        push,
        (thrown: unknown) => {
          assert.ok(
            thrown instanceof JsonError && !thrown.message.includes('secret') && thrown.message.startsWith('list: '),
          )
          return error('syntax', offset)(thrown)
        },
        text,
      )
    }
  }
})

test('an escape at any place of a long string belongs to it', () => {
  for (let length = 0; length < 150; length += 1) {
    for (const escapes of ['\\"', '\\\\', '\\\\\\"']) {
      const text = `{"a":"${'x'.repeat(length)}${escapes}${'y'.repeat(70)}","b":[1]}`
      assert.deepEqual(read(text, { a: 'all', b: 'all' }, { cuts: [length + 7, length + 9] }).found, JSON.parse(text))
      assert.deepEqual(read(text, { a: 'bytes', b: 'all' }).found, JSON.parse(text))
      assert.deepEqual(read(text, { b: 'all' }).found, { b: [1] })
    }
  }
})

test('an input that ends early says so, and where; one that is empty says that', () => {
  const ended = (text: string) => {
    try {
      read(text, {}, { document: 'list' })
    } catch (thrown: unknown) {
      return thrown instanceof JsonError && `${thrown.name} ${thrown.message} = ${thrown.problem}`
    }
    return assert.fail('it was read')
  }
  const open = 'it ends before its top-level object is closed'
  assert.equal(ended(' \n'), 'JsonError list: it is empty (byte 2) = it is empty')
  assert.equal(ended('{"a":1'), `JsonError list: ${open} (byte 6) = ${open}`)
})

test('what a node throws ends the reading', () => {
  const own = new Error('full')
  const reader = new JsonReader({
    fields: new Map([['a', { scalar: () => assert.fail(own), unreadable: () => undefined }]]),
  })
  assert.throws(() => reader.push(Buffer.from('{"a":1}')), own)
})

test('a stream yields what its schema emits, and is refused when it is cut, or when something follows', async () => {
  const readAll = async (text: string, size: number) => {
    const chunks = async function* () {
      for (let at = 0; at < text.length; at += size) yield Buffer.from(text.slice(at, at + size))
    }
    const items: unknown[] = []
    const schema = (emit: (item: unknown) => void) => ({
      fields: new Map([['l', { array: { item: { scalar: emit } } }]]),
    })
    for await (const item of readJson(chunks(), schema, { document: 'list' })) items.push(item)
    return items
  }
  for (const size of [1, 5, 100]) {
    assert.deepEqual(await readAll('{"l":[1,2,3]} ', size), [1, 2, 3])
    await assert.rejects(readAll('{"l":[1,2,3]', size), error('truncated', 12))
    await assert.rejects(readAll('{"l":[1,2,3]} x', size), error('syntax', 14))
  }
})
