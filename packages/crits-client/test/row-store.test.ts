import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type ResultRow, RowStore, type RowStoreOptions } from '../src/row-store.js'
import { expected, postedRows, stored } from './stored.js'

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
    assert.throws(() => store.add({ subtype: 'signature', result: 'c', fields: { other: 1 } }), /signature.*"other"/)
  })

  it('counts UTF-8 bytes of keys and values, 16 for each field or element and 64 for each row', () => {
    const store = new RowStore({ storedBytes: 1000 })
    store.add({ subtype: 'file', result: 'é', fields: { list: [{ k: 'ab' }, {}] } })
    const own = 64 + 2 * 16 + 'subtype'.length + 'file'.length + 'result'.length + 2
    assert.equal(store.storedBytes, 1000 + own + 16 + 'list'.length + 2 * 16 + 16 + 'k'.length + 'ab'.length)
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
      postedRows(store, 1).map(({ result }) => result),
      ['call 1', 'call 2'],
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

  it('fills up to the byte, with what earlier stages stored', () => {
    const row: ResultRow = { subtype: 'file', result: 'x', fields: { a: 'y' } }
    const bytes = filled([row]).storedBytes
    for (const [storedBytes, fits] of [
      [1000, true],
      [1001, false],
    ] as const) {
      assert.equal(new RowStore({ storedBytes, maxStoredBytes: 1000 + bytes }).add(row), fits)
      const calls = new RowStore({ storedBytes, maxStoredBytes: 1000 + bytes + 'api_call'.length - 'file'.length })
      assert.equal(calls.add({ ...row, subtype: 'api_call' }), fits)
      assert.equal(calls.cutCalls, fits ? 0 : 1)
    }
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
    assert.equal(store.add({ subtype: 'file', result: 'y', fields: { list: Array(900_000).fill({ a: '"' }) } }), true)
    for (const { rows } of store.ranges(0)) assert.ok(rows.bytes(0) <= 1_000_002, `${rows.bytes(0)} bytes`)
    assert.ok(store.cutValues > 0)
  })

  it('returns every row intact when it holds thousands', () => {
    const rows = Array.from({ length: 3000 }, (_, n) => ({
      subtype: 'api_call' as const,
      result: `call ${n}`,
      fields: { id: n, text: 'é"\\\n'.repeat(n % 97) },
    }))
    const posted = postedRows(filled(rows))
    assert.deepEqual(
      posted.map(({ result }) => result),
      rows.map(({ result }) => result),
    )
    for (const [n, { literal }] of posted.entries()) assert.deepEqual(stored(literal), expected(rows[n]?.fields))
  })
})

function filled(rows: readonly ResultRow[], options?: RowStoreOptions): RowStore {
  const store = new RowStore(options)
  for (const row of rows) assert.equal(store.add(row), true)
  return store
}

function contents(store: RowStore, from?: number, to?: number): string[] {
  return postedRows(store, from, to).map(({ subtype, result, literal }) => `${subtype} ${result} ${literal}`)
}
