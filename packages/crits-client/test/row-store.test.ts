import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { pyLiteral } from '../src/py-literal.js'
import { type ResultRow, RowColumnsError, RowStore, type RowStoreOptions } from '../src/row-store.js'
import { readLiteral } from './read-literal.js'

describe('RowStore', () => {
  it('gives rows back in posting order, whatever the order of arrival', () => {
    const store = filled([
      { subtype: 'api_call', result: 'NtClose' },
      { subtype: 'mutex', result: 'm' },
      { subtype: 'info', result: 'vm' },
      { subtype: 'api_call', result: 'NtOpen' },
    ])
    assert.deepEqual(contents(store), ['info vm {}', 'mutex m {}', 'api_call NtClose {}', 'api_call NtOpen {}'])
    assert.equal(store.rowsBefore('mutex'), 1)
    assert.equal(store.rowsBefore('api_call'), 2)
    assert.deepEqual(contents(store, 1, 3), ['mutex m {}', 'api_call NtClose {}'])
  })

  it('gives every row of a subtype the columns of the first', () => {
    const store = filled([
      { subtype: 'signature', result: 'a', fields: { severity: '1', name: 'x' } },
      { subtype: 'signature', result: 'b', fields: { name: 'y' } },
    ])
    assert.deepEqual(contents(store), [
      'signature a {"severity": "1", "name": "x"}',
      'signature b {"severity": "", "name": "y"}',
    ])
    assert.throws(() => store.add({ subtype: 'signature', result: 'c', fields: { other: 1 } }), RowColumnsError)
  })

  it('counts UTF-8 bytes of keys and values, 16 for each field or element and 64 for each row', () => {
    const store = new RowStore({ storedBytes: 1000 })
    store.add({ subtype: 'file', result: 'é', fields: { list: ['ab', ''] } })
    const own = 64 + 2 * 16 + 'subtype'.length + 'file'.length + 'result'.length + 2
    assert.equal(store.storedBytes, 1000 + own + 16 + 'list'.length + 2 * 16 + 'ab'.length)
  })

  it('refuses calls from the first that does not fit', () => {
    const store = new RowStore({ maxStoredBytes: 500 })
    assert.equal(store.add({ subtype: 'api_call', result: 'a' }), true)
    assert.equal(store.add({ subtype: 'api_call', result: 'x'.repeat(1000) }), false)
    assert.equal(store.add({ subtype: 'api_call', result: 'a' }), false)
    assert.equal(store.rowCount, 1)
    assert.equal(store.cutCalls, 2)
  })

  it('drops the last calls to make room for other rows, and refuses those when no call is left', () => {
    const store = filled(
      [1, 2, 3, 4].map(n => ({ subtype: 'api_call' as const, result: `call ${n}` })),
      { maxStoredBytes: 520 },
    )
    assert.equal(store.rowCount, 4)
    assert.equal(store.add({ subtype: 'file', result: 'f'.repeat(150) }), true)
    assert.deepEqual(
      [...store.rows(1)].map(row => row.result.toString()),
      ['"call 1"', '"call 2"'],
    )
    assert.equal(store.cutCalls, 2)
    assert.ok(store.storedBytes <= 520)
    assert.equal(store.add({ subtype: 'api_call', result: 'c' }), false)
    assert.equal(store.add({ subtype: 'file', result: 'f'.repeat(300) }), false)
    assert.equal(store.rowCount, 3)
  })

  it('a refused row leaves the calls alone', () => {
    const store = filled([{ subtype: 'api_call', result: 'a' }], { maxStoredBytes: 500 })
    assert.equal(store.add({ subtype: 'file', result: 'f'.repeat(500) }), false)
    assert.equal(store.rowCount, 1)
    assert.equal(store.cutCalls, 0)
  })

  it('forgets a cleared subtype, its columns and its bytes', () => {
    const store = filled([{ subtype: 'mutex', result: 'kept' }])
    const before = store.storedBytes
    store.add({ subtype: 'file', result: 'gone', fields: { a: 1 } })
    store.truncate('file', 0)
    assert.equal(store.storedBytes, before)
    store.add({ subtype: 'file', result: 'new', fields: { b: 2 } })
    assert.deepEqual(contents(store), ['file new {"b": 2}', 'mutex kept {}'])
  })

  it('cuts long values visibly and counts them', () => {
    const store = filled([{ subtype: 'file', result: 'abcdef', fields: { a: 'ghijkl' } }], { maxValueChars: 4 })
    assert.deepEqual(contents(store), ['file abcd… (cut, 6 characters) {"a": "ghij… (cut, 6 characters)"}'])
    assert.equal(store.cutValues, 2)
  })

  it('keeps one row below 1 MB encoded, however many values it has', () => {
    const store = new RowStore()
    const values = Array.from({ length: 40 }, () => ({ name: 'n', value: '\u0001'.repeat(60_000) }))
    assert.equal(store.add({ subtype: 'api_call', result: 'x', fields: { arguments: values } }), true)
    assert.equal(store.add({ subtype: 'file', result: 'y', fields: { list: Array(900_000).fill('"') } }), true)
    for (const row of store.rows(0)) assert.ok(row.literal.length <= 1_000_000, `${row.literal.length} bytes`)
    assert.ok(store.cutValues > 0)
  })

  it('returns every row intact when it holds thousands', () => {
    const rows = Array.from({ length: 3000 }, (_, n) => ({
      subtype: 'api_call' as const,
      result: `call ${n}`,
      fields: { id: n, text: 'é"\\\n'.repeat(n % 97) },
    }))
    const store = filled(rows)
    let n = 0
    for (const row of store.rows(0)) {
      assert.equal(JSON.parse(row.result.toString()), `call ${n}`)
      assert.equal(JSON.parse(row.literal.toString()), pyLiteral(rows[n]?.fields))
      n += 1
    }
    assert.equal(n, 3000)
  })

  it('writes literals that Python reads', () => {
    const [row] = filled([{ subtype: 'info', result: 'vm', fields: { items: '\ud800', a: [true] } }]).rows(0)
    assert.deepEqual(
      readLiteral(JSON.parse(String(row?.literal))),
      new Map<string, string | boolean[]>([
        ['items_', '\ufffd'],
        ['a', [true]],
      ]),
    )
  })
})

function filled(rows: readonly ResultRow[], options?: RowStoreOptions): RowStore {
  const store = new RowStore(options)
  for (const row of rows) assert.equal(store.add(row), true)
  return store
}

function contents(store: RowStore, from = 0, to?: number): string[] {
  return [...store.rows(from, to)].map(
    row => `${row.subtype} ${JSON.parse(row.result.toString())} ${JSON.parse(row.literal.toString())}`,
  )
}
