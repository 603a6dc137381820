// Reports as no Cuckoo should write them: read as JSON.parse reads them or refused, in whatever pieces they come.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Damage, damagedJson, fuzzing } from '@cuckoo-distributed/testing'
import fc from 'fast-check'
import { JsonError, type ScanSummary } from '../src/index.js'
import { OPTIONS, type Rows, scan } from './collect.js'
import { isObject, rowsOf } from './report-oracle.js'
import { CAPE, CUCKOO_12, CUCKOO_20 } from './reports.js'

/** As CAPE's lite.json: processes only as a tree. */
const TREE = [
  { name: 'p', pid: 1, parent_id: 2, children: [{ name: 'q', pid: 3, parent_id: 1, children: [] }] },
  { name: 'r', pid: 4, parent_id: 2, children: [] },
]
const LITE = CAPE.replace('"processes"', '"unlisted"').replace(
  /("processtree": ).*?\]\}\]/,
  `$1${JSON.stringify(TREE)}`,
)
const GENUINE = [CUCKOO_12, CUCKOO_20, CAPE, LITE]
const damage: fc.Arbitrary<Damage> = fc.record({
  values: fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 4 }),
  bytes: fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 2 }),
  cut: fc.option(fc.nat(), { freq: 3 }),
})
const report = fc.tuple(fc.constantFrom(...GENUINE), damage).map(([text, done]) => damagedJson(JSON.parse(text), done))
const places = fc.array(fc.nat(), { maxLength: 6 })

const wide = { ...OPTIONS, maxValueBytes: 200_000 }

type Outcome = { rows: Rows; summary: ScanSummary } | { code: string; offset: number }

function outcomeOf(bytes: Buffer, options: Parameters<typeof scan>[1] = wide): Outcome {
  try {
    return scan(bytes, options)
  } catch (error: unknown) {
    assert.ok(error instanceof JsonError, String(error))
    assert.ok(error.message.length < 1000 && !/\p{Cc}/u.test(error.message), error.message)
    return { code: error.code, offset: error.offset }
  }
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString())
  } catch {
    return undefined
  }
}

/** The rows of lists whose order, or that of their sections, tells nothing. */
const UNORDERED = ['files', 'keys', 'mutexes', 'techniques', 'stored']

function sorted(rows: object): unknown {
  const lists = Object.entries(rows).map(([name, list]) => {
    if (!UNORDERED.includes(name) || !Array.isArray(list)) return [name, list]
    return [name, list.map(item => JSON.stringify(rounded(item), Object.keys(Object(item)).sort())).sort()]
  })
  return rounded(Object.fromEntries(lists))
}

/** Integers as doubles: the scanner keeps the digits that JSON.parse loses, in a list as text. */
function rounded(rows: unknown): unknown {
  return JSON.parse(
    JSON.stringify(rows).replaceAll(/(\\")?(\d{16,})(\\")?/g, (_, _open, digits) => String(Number(digits))),
  )
}

test('a report that is JSON is read as JSON.parse reads it', t => {
  const property = fc.property(report, bytes => {
    const whole = parsed(bytes)
    if (!isObject(whole)) return
    const outcome = outcomeOf(bytes)
    if ('code' in outcome && outcome.code === 'repeated') return // damage made two keys the same
    assert.ok('rows' in outcome, JSON.stringify(outcome))
    const { info: _, ...rows } = outcome.rows
    assert.deepEqual(sorted(rows), sorted(rowsOf(whole)))
  })
  fc.assert(property, fuzzing(t, 400))
})

test('any bytes give the same in any pieces, be it rows or a refusal', t => {
  const stray = fc.uint8Array({ maxLength: 200 }).map(array => Buffer.from(array))
  const property = fc.property(fc.oneof({ weight: 5, arbitrary: report }, stray), places, (bytes, at) => {
    const cuts = at.map(place => place % (bytes.length + 1)).sort((a, b) => a - b)
    assert.deepEqual(outcomeOf(bytes, { ...wide, cuts }), outcomeOf(bytes))
  })
  fc.assert(property, fuzzing(t, 400))
})

test('a report that was cut anywhere is refused', t => {
  const property = fc.property(fc.constantFrom(...GENUINE), fc.nat(), (text, cut) => {
    const bytes = Buffer.from(text.trimEnd())
    const outcome = outcomeOf(bytes.subarray(0, cut % bytes.length))
    assert.ok('code' in outcome && outcome.code === 'truncated', JSON.stringify(outcome))
  })
  fc.assert(property, fuzzing(t, 200))
})
