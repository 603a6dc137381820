import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nextStageHeaders, withFailure, withSeen } from '../src/headers.js'
import { readTrail, type Trail, writeTrail } from '../src/index.js'

const full: Trail = {
  attempts: 2,
  failures: [{ at: '2026-01-02T03:04:05.678Z', service: 'feed_cuckoo', error: 'refused' }],
  visited: ['worker/parse_and_submit'],
  progress: { queue: 'worker/parse_and_submit', digest: 'abc', rows: 10, files: 3 },
  seen: true,
  since: { watch: 1_700_000_000_000 },
  storedBytes: 1234,
  permanent: true,
  cause: { code: 'CRITS_AUTH', since: 1_700_000_000_000, tries: 4 },
  due: 1_700_000_060_000,
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  failed: { service: 's', queue: 'q', error: 'e', desc: 'd', failedAt: 'f' },
}

test('a trail survives the way through message headers', () => {
  assert.deepEqual(readTrail(writeTrail(full)), full)
})

test('foreign headers never travel', () => {
  const trail = readTrail({ 'x-death': [{ count: 1 }], CC: ['other'], expiration: '5', 'x-attempts': 1 })
  assert.deepEqual(writeTrail(trail), { 'x-attempts': 1 })
})

test('the next stage gets where the message was and what is stored, but a fresh count of attempts', () => {
  assert.deepEqual(nextStageHeaders(full), {
    'x-visited': '["worker/parse_and_submit"]',
    'x-stored-bytes': 1234,
    traceparent: full.traceparent,
  })
})

test('own headers that somebody else has spoilt count as absent', () => {
  const spoilt = {
    'x-attempts': 'many',
    'x-failures': '[{"at":1}',
    'x-visited': '{}',
    'x-since': '"now"',
    'x-progress': '[]',
    'x-due': -1,
    'x-cause': '{"code":"CRITS_AUTH","since":0,"tries":1}',
  }
  assert.deepEqual(writeTrail(readTrail(spoilt)), {})
})

test('a history of failures stays within 8 entries and 8 KiB', () => {
  let trail = readTrail(undefined)
  for (let i = 0; i < 20; i += 1) {
    trail = withFailure(
      trail,
      { at: 'now', service: 'check_results', error: `${i} ${'é'.repeat(900)}` },
      new Error('refused'),
    )
  }
  const written = String(writeTrail(trail)['x-failures'])
  assert.equal(trail.attempts, 20)
  assert.ok(Buffer.byteLength(written) <= 8192)
  const kept: unknown = JSON.parse(written)
  assert.ok(Array.isArray(kept) && kept.length > 0 && kept.length <= 8)
  assert.match(JSON.stringify(kept.at(-1)), /"19 é/)
})

test('a message that goes back to its queue is marked as seen when it may have been passed on', () => {
  const fresh = readTrail(undefined)
  assert.equal(withSeen(fresh, false).seen, false)
  assert.equal(withSeen(fresh, true).seen, true)
  assert.equal(withSeen({ ...fresh, attempts: 1 }, false).seen, false, 'what failed was surely not passed on')
  assert.equal(withSeen({ ...fresh, seen: true }, false).seen, true)
})

const entry = { at: 'now', service: 'check_results', error: 'refused' }
const shared = (code: string) => Object.assign(new Error('refused'), { code, sharedCause: true })

test('a shared cause counts from its first failure on, whatever its code becomes, and is no attempt', () => {
  const before = Date.now()
  const first = withFailure({ ...readTrail(undefined), attempts: 1 }, entry, shared('CRITS_AUTH'))
  const since = first.cause?.since ?? 0
  assert.ok(since >= before && since <= Date.now())
  assert.deepEqual([first.attempts, first.cause], [1, { code: 'CRITS_AUTH', since, tries: 1 }])
  const second = withFailure(readTrail(writeTrail(first)), entry, shared('CRITS_URL'))
  assert.deepEqual([second.attempts, second.cause], [1, { code: 'CRITS_URL', since, tries: 2 }])
  assert.equal(second.failures.length, 2)
})

test('any other failure ends the wait for a shared cause and is an attempt', () => {
  const waiting = withFailure(readTrail(undefined), entry, shared('CRITS_AUTH'))
  for (const error of [new Error('other'), Object.assign(shared('CRITS_AUTH'), { permanent: true })]) {
    const failed = withFailure(waiting, entry, error)
    assert.deepEqual([failed.attempts, failed.cause], [1, undefined])
  }
})
