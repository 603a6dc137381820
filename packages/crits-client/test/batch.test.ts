import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type Batch, batchBytes, nextBatch } from '../src/batch.js'
import { POSTING_ORDER, RowStore } from '../src/row-store.js'

describe('nextBatch', () => {
  it('packs as many rows as fit, in order, each exactly once', () => {
    const row = fc.record({ subtype: fc.constantFrom(...POSTING_ORDER), result: fc.string({ unit: 'binary' }) })
    fc.assert(
      fc.property(fc.array(row, { minLength: 1 }), fc.integer({ min: 50, max: 400 }), (rows, maxBytes) => {
        const store = new RowStore()
        for (const made of rows) store.add({ ...made, fields: {} })
        const batches = allBatches(store, maxBytes)
        for (const batch of batches) assert.ok(batchBytes(batch) <= maxBytes || batch.to === batch.from + 1)
        const sorted = POSTING_ORDER.flatMap(subtype => rows.filter(made => made.subtype === subtype))
        assert.deepEqual(
          batches.flatMap(list('results')),
          sorted.map(made => made.result.toWellFormed()),
        )
        assert.deepEqual(
          batches.flatMap(list('subtypes')),
          sorted.map(made => made.subtype),
        )
        assert.deepEqual(
          batches.flatMap(list('types')),
          sorted.map(() => '{}'),
        )
      }),
    )
  })

  it('fills a batch to the byte', () => {
    const store = threeFiles()
    const whole = batchBytes(nextBatch(store, 0, 3, Number.POSITIVE_INFINITY))
    assert.equal(nextBatch(store, 0, 3, whole).to, 3)
    assert.equal(nextBatch(store, 0, 3, whole - 1).to, 2)
  })

  it('takes one row even when that exceeds the limit', () => assert.equal(nextBatch(threeFiles(), 1, 3, 1).to, 2))

  it('stays inside its range', () => {
    const batch = nextBatch(threeFiles(), 1, 2, 1e6)
    assert.deepEqual([batch.from, batch.to, list('results')(batch)], [1, 2, ['b']])
    assert.throws(() => nextBatch(threeFiles(), 3, 3, 1e6), RangeError)
  })
})

function threeFiles(): RowStore {
  const store = new RowStore()
  for (const result of ['a', 'b', 'c']) store.add({ subtype: 'file', result })
  return store
}

function allBatches(store: RowStore, maxBytes: number): Batch[] {
  const batches: Batch[] = []
  for (let from = 0; from < store.rowCount; from = batches.at(-1)?.to ?? 0) {
    batches.push(nextBatch(store, from, store.rowCount, maxBytes))
  }
  return batches
}

function list(field: 'results' | 'types' | 'subtypes'): (batch: Batch) => string[] {
  return batch => JSON.parse(Buffer.concat(batch[field]).toString())
}
