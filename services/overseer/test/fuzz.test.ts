// Whatever a message holds, its dump gives it back byte for byte; whatever a dump directory holds, nothing else goes to work.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InvalidMessageError, readHeaders } from '@cuckoo-distributed/core'
import { type Damage, damagedJson, fuzzing } from '@cuckoo-distributed/testing'
import fc from 'fast-check'
import { Body } from '../src/body.js'
import { DELAY_LADDER } from '../src/config.js'
import { decodeDump, dumpName } from '../src/dump-file.js'
import { DUE, readFailed } from '../src/failed-message.js'
import { nextStep } from '../src/oversee.js'
import { dumpOf, failedFields, taskBody, wrapped } from './support.js'

const bytes = fc.uint8Array({ maxLength: 300 }).map(array => Buffer.from(array))
const awkward = fc.constantFrom('', '\0', '\ufeff', '"', '"a"', '\\', '\u2028', '{"a":', '\ud83d\ude00', taskBody('a'))
const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 40 }), awkward, fc.json())
const body = fc.oneof(
  bytes,
  text.map(Buffer.from),
  fc.tuple(text, bytes).map(([a, b]) => Buffer.concat([Buffer.from(a), b])),
)
const damage: fc.Arbitrary<Damage> = fc.record({
  values: fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 3 }),
  bytes: fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 2 }),
  cut: fc.option(fc.nat(), { freq: 3 }),
})
const NAMES = 'x-attempts x-failures x-visited x-progress x-seen x-since x-stored-bytes x-permanent x-due traceparent'
const headers = fc.dictionary(fc.constantFrom(...NAMES.split(' ')), fc.oneof(fc.nat(), text, fc.jsonValue()))
const queue = fc.string({ minLength: 1, unit: 'binary' }).map(name => Buffer.from(name).toString())

test('a dump gives the message back byte for byte, to its queue and with a fresh count', t => {
  const property = fc.property(body, queue, text, headers, (content, target, failedAt, table) => {
    const failed = failedFields(target, { failedAt, error: failedAt, desc: failedAt, service: failedAt })
    const revived = decodeDump(dumpOf({ ...failed, body: content }, table))
    assert.deepEqual(revived.body, content)
    assert.equal(revived.queue, target)
    const { attempts, failures, permanent, notes } = readHeaders(revived.headers)
    assert.deepEqual(
      { attempts, failures, permanent, due: notes.get(DUE) },
      { attempts: 0, failures: readHeaders(table).failures, permanent: false, due: undefined },
    )
  })
  fc.assert(property, fuzzing(t, 300))
})

test('a file is a dump or it is not: it is never half understood', t => {
  const own = fc.tuple(body, damage).map(([content, done]) => {
    const dump = dumpOf({ ...failedFields('q'), body: content }, { 'x-visited': '["a"]' })
    return damagedJson(JSON.parse(dump.toString()), done)
  })
  const property = fc.property(fc.oneof(own, body), file => {
    try {
      const revived = decodeDump(file)
      assert.ok(revived.queue.length > 0 && Buffer.isBuffer(revived.body))
    } catch (error: unknown) {
      assert.ok(error instanceof InvalidMessageError, String(error))
    }
  })
  fc.assert(property, fuzzing(t, 300))
})

test('a failed message is read, or refused as invalid; its next step is a delay or an end', t => {
  const failed = fc
    .tuple(text, damage)
    .map(([content, done]) => damagedJson(JSON.parse(wrapped('q', content).toString()), done))
  const property = fc.property(fc.oneof(failed, body), headers, (message, table) => {
    const headers = readHeaders(table)
    try {
      assert.ok(readFailed(message, headers).queue.length > 0)
    } catch (error: unknown) {
      assert.ok(error instanceof InvalidMessageError, String(error))
    }
    const step = nextStep(headers, { retryDelays: [1, 10], sharedCauseLimit: 60 })
    assert.ok('giveUp' in step || DELAY_LADDER.some(seconds => seconds === step.delaySeconds))
  })
  fc.assert(property, fuzzing(t, 300))
})

test('a wrapped body is read in pieces as it is read at once, and so is what it becomes in a dump', t => {
  const hard = fc.constantFrom('\\', '"', 'ü', '\u{1f600}', '\n', '\u0000', '\u2028', 'a'.repeat(1000), 'é'.repeat(700))
  const content = fc
    .array(fc.oneof(hard, text), { maxLength: 400 })
    .map(parts => Buffer.from(parts.join('')).toString())
  const property = fc.property(content, fc.boolean(), (original, isAscii) => {
    const wire = JSON.stringify(original).slice(1, -1)
    const ascii = wire.replace(/[^ -~]/g, char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
    for (const read of [Body.escaped(Buffer.from(isAscii ? ascii : wire)), Body.plain(Buffer.from(original))]) {
      assert.equal(read.toBuffer().toString(), original)
      assert.equal(Buffer.concat([...read.pieces()]).toString(), original)
      assert.deepEqual(JSON.parse(`{${Buffer.concat([...read.toMember()])}}`), { Msg: original })
    }
  })
  fc.assert(property, fuzzing(t, 100))
})

test('the name of a dump is a time of ours and a digest, whatever the message says', t => {
  const near = fc.tuple(fc.nat(), text).map(([at, put]) => {
    const time = '2026-01-02T03:04:05.678Z'
    return time.slice(0, at % 25) + put + time.slice(at % 25)
  })
  const property = fc.property(fc.oneof(text, near), body, (failedAt, content) => {
    assert.match(dumpName(failedAt, content, 'json'), /^(\d{8}T\d{6}\.\d{3}Z-)?[0-9a-f]{32}\.json$/)
  })
  fc.assert(property, fuzzing(t, 200))
})
