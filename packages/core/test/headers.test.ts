import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withFailure, withSeen } from '../src/headers.js'
import { asNumber, asNumbers, asTexts, type MessageHeaders, Notes, readHeaders, writeHeaders } from '../src/index.js'

const NOTES = {
  'x-visited': '["worker/parse_and_submit"]',
  'x-progress': '{"queue":"worker/parse_and_submit","digest":"abc","rows":10,"files":3}',
  'x-since': '{"watch":1700000000000}',
  'x-stored-bytes': 1234,
  'x-due': 1_700_000_060_000,
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
}

const full: MessageHeaders = {
  attempts: 2,
  failures: [{ at: '2026-01-02T03:04:05.678Z', service: 'feed_cuckoo', error: 'refused' }],
  seen: true,
  permanent: true,
  cause: { code: 'CRITS_AUTH', since: 1_700_000_000_000, tries: 4 },
  notes: new Notes(NOTES),
  failed: { service: 's', queue: 'q', error: 'e', desc: 'd', failedAt: 'f' },
}

test('a headers survives the way through message headers', () => {
  const written = writeHeaders(full)
  assert.deepEqual(writeHeaders(readHeaders(written)), written)
  assert.deepEqual({ ...readHeaders(written), notes: undefined }, { ...full, notes: undefined })
})

test('foreign headers never travel', () => {
  const headers = readHeaders({ 'x-death': [{ count: 1 }], CC: ['other'], expiration: '5', 'x-attempts': 1 })
  assert.deepEqual(writeHeaders(headers), { 'x-attempts': 1 })
})

test('the next stage gets where the message was and what is stored, but a fresh count of attempts', () => {
  const { 'x-visited': visited, 'x-stored-bytes': stored, traceparent } = NOTES
  assert.deepEqual(full.notes.toHeaders('next-stage'), { 'x-visited': visited, 'x-stored-bytes': stored, traceparent })
})

test('own headers that somebody else has spoilt count as absent', () => {
  const spoilt = {
    'x-attempts': 'many',
    'x-failures': '[{"at":1}',
    'x-visited': [],
    'x-since': 'x'.repeat(8193),
    'x-due': -1,
    'x-cause': '{"code":"CRITS_AUTH","since":0,"tries":1}',
  }
  assert.deepEqual(writeHeaders(readHeaders(spoilt)), {})
})

test('a note is carried as it is, whoever has the message in hand, and read by the stage that knows its shape', () => {
  const { notes } = readHeaders({
    'x-since': '{"watch":7,"what":"x"}',
    'x-visited': '["a",1]',
    'x-progress': 'no JSON',
  })
  assert.deepEqual(notes.toHeaders('message'), {
    'x-since': '{"watch":7,"what":"x"}',
    'x-visited': '["a",1]',
    'x-progress': 'no JSON',
  })
  assert.deepEqual(notes.get({ header: 'x-since', read: asNumbers }), { watch: 7 })
  assert.deepEqual(notes.get({ header: 'x-visited', read: asTexts }), ['a'])
  assert.equal(notes.get({ header: 'x-visited', read: asNumbers }), undefined)
  assert.equal(notes.get({ header: 'x-since', read: asTexts }), undefined)
  assert.equal(notes.get({ header: 'x-progress', read: asNumbers }), undefined)
  assert.equal(notes.get({ header: 'x-due', read: asNumber }), undefined)
})

test('headers are bounded as they are read', () => {
  const failures = Array.from({ length: 20 }, (_, i) => ({ at: `${i}`, service: 's', error: 'e' }))
  const kept = readHeaders({ 'x-failures': JSON.stringify(failures) }).failures.map(({ at }) => at)
  assert.deepEqual(kept, ['12', '13', '14', '15', '16', '17', '18', '19'])
  const longest = 'x'.repeat(8192)
  assert.deepEqual(readHeaders({ 'x-since': longest }).notes.toHeaders('message'), { 'x-since': longest })
})

test('a note that is set is written as an integer or JSON text, and one that is taken off is gone', () => {
  const due = { header: 'x-due', read: asNumber } as const
  const visited = { header: 'x-visited', read: asTexts } as const
  const notes = new Notes()
  notes.set(due, 5)
  const other = notes.with(visited, ['a'])
  assert.deepEqual(other.toHeaders('message'), { 'x-due': 5, 'x-visited': '["a"]' })
  assert.deepEqual(other.toHeaders('next-stage'), { 'x-visited': '["a"]' })
  other.set(due, undefined)
  assert.deepEqual(other.get(visited), ['a'])
  assert.equal(other.get(due), undefined)
  assert.deepEqual(notes.toHeaders('message'), { 'x-due': 5 }, 'a copy leaves the original as it is')
})

test('a history of failures stays within 8 entries and 8 KiB', () => {
  let headers = readHeaders(undefined)
  for (let i = 0; i < 20; i += 1) {
    const entry = { at: 'now', service: 'check_results', error: `${i} ${'é'.repeat(900)}` }
    headers = withFailure(headers, entry, new Error('refused'))
  }
  const written = String(writeHeaders(headers)['x-failures'])
  assert.equal(headers.attempts, 20)
  assert.ok(Buffer.byteLength(written) <= 8192)
  const kept: unknown = JSON.parse(written)
  assert.ok(Array.isArray(kept) && kept.length > 0 && kept.length <= 8)
  assert.match(JSON.stringify(kept.at(-1)), /"19 é/)
})

test('a message that goes back to its queue is marked as seen when it may have been passed on', () => {
  const fresh = readHeaders(undefined)
  assert.equal(withSeen(fresh, false).seen, false)
  assert.equal(withSeen(fresh, true).seen, true)
  assert.equal(withSeen({ ...fresh, attempts: 1 }, false).seen, false, 'what failed was surely not passed on')
  assert.equal(withSeen({ ...fresh, seen: true }, false).seen, true)
})

const entry = { at: 'now', service: 'check_results', error: 'refused' }
const shared = (code: string) => Object.assign(new Error('refused'), { code, sharedCause: true })

test('a shared cause counts from its first failure on, whatever its code becomes, and is no attempt', () => {
  const before = Date.now()
  const first = withFailure({ ...readHeaders(undefined), attempts: 1 }, entry, shared('CRITS_AUTH'))
  const since = first.cause?.since ?? 0
  assert.ok(since >= before && since <= Date.now())
  assert.deepEqual([first.attempts, first.cause], [1, { code: 'CRITS_AUTH', since, tries: 1 }])
  const second = withFailure(readHeaders(writeHeaders(first)), entry, shared('CRITS_URL'))
  assert.deepEqual([second.attempts, second.cause], [1, { code: 'CRITS_URL', since, tries: 2 }])
  assert.equal(second.failures.length, 2)
})

test('any other failure ends the wait for a shared cause and is an attempt', () => {
  const waiting = withFailure(readHeaders(undefined), entry, shared('CRITS_AUTH'))
  for (const error of [new Error('other'), Object.assign(shared('CRITS_AUTH'), { permanent: true })]) {
    const failed = withFailure(waiting, entry, error)
    assert.deepEqual([failed.attempts, failed.cause], [1, undefined])
  }
})

test('eight failures are kept, and of nine the last eight', () => {
  const entries = (count: number) => Array.from({ length: count }, (_, i) => ({ ...entry, error: `${i}` }))
  for (const [count, first] of [
    [8, '0'],
    [9, '1'],
  ] as const) {
    const written = writeHeaders({ ...readHeaders(), failures: entries(count) })
    const kept = readHeaders(written).failures
    assert.deepEqual([kept.length, kept[0]?.error], [8, first])
  }
})

test('8 KiB of failures are kept, and of one byte more the last that fit', () => {
  const base = JSON.stringify([entry, { ...entry, error: '' }]).length
  for (const [bytes, kept] of [
    [8192, 2],
    [8193, 1],
  ] as const) {
    const failures = [entry, { ...entry, error: 'x'.repeat(bytes - base) }]
    assert.equal(JSON.stringify(failures).length, bytes)
    assert.equal(readHeaders(writeHeaders({ ...readHeaders(), failures })).failures.length, kept)
  }
})

test('what is nearly a header of ours counts as absent', () => {
  const entry = { at: 'a', service: 's', error: 'e' }
  const cause = { code: 'C', since: 1, tries: 1 }
  const bad = [
    ...[0, -1, 1.5, '3', 2 ** 53].map(value => ({ 'x-attempts': value })),
    ...['at', 'service', 'error'].map(key => ({ 'x-failures': JSON.stringify([{ ...entry, [key]: 5 }]) })),
    ...['{}', 'null', '[null,[],5]', [entry]].map(value => ({ 'x-failures': value })),
    ...['code', 'since', 'tries'].map(key => ({ 'x-cause': JSON.stringify({ ...cause, [key]: null }) })),
    ...['null', '[]', '5', cause].map(value => ({ 'x-cause': value })),
    ...[0, 1.5, -1].map(value => ({ 'x-seen': value, 'x-permanent': value, 'x-due': value })),
    { 'x-since': 5.5, 'x-visited': undefined, traceparent: 'x'.repeat(8193) },
  ]
  for (const raw of bad) assert.deepEqual(writeHeaders(readHeaders(raw)), {}, JSON.stringify(raw))
  const good = { 'x-attempts': 1, 'x-failures': JSON.stringify([entry]), 'x-cause': JSON.stringify(cause), 'x-seen': 1 }
  assert.deepEqual(writeHeaders(readHeaders({ ...good, 'x-permanent': 1, 'x-due': 1 })), {
    ...good,
    'x-permanent': 1,
    'x-due': 1,
  })
})

test('a history whose last entry alone is too large is left empty, and of many only the last that fit are kept', () => {
  const written = (failures: MessageHeaders['failures']) =>
    JSON.parse(String(writeHeaders({ ...readHeaders(), failures })['x-failures']))
  const entry = (error: string) => ({ at: 'a', service: 's', error })
  assert.deepEqual(written([entry('x'.repeat(9000))]), [])
  const large = ['1', '2', '3', '4'].map(name => entry(name.padEnd(3000)))
  assert.deepEqual(
    written(large).map(({ error }: { error: string }) => error.trim()),
    ['3', '4'],
  )
})

test('a count, texts and numbers are read for what they are, and nothing else is', () => {
  assert.deepEqual([1, 0, 1.5, '1', null].map(asNumber), [1, undefined, undefined, undefined, undefined])
  assert.deepEqual([['a', 5], [], 'a', {}].map(asTexts), [['a'], [], undefined, undefined])
  const numbers = [{ a: 1, b: '2', c: null }, {}, [1], null, 'x'].map(asNumbers)
  assert.deepEqual(numbers, [{ a: 1 }, {}, undefined, undefined, undefined])
  const bare = new Notes()
  assert.equal(bare.get({ header: 'x-due', read: () => assert.fail('there is nothing to read') }), undefined)
  assert.deepEqual(new Notes({ 'x-due': 7 }).get({ header: 'x-due', read: asNumber }), 7)
})
