// What the page says is wrong, out of what is known of queues, samples and dumps.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { alarmsOf } from '../src/admin/alarms.js'
import type { Overview, QueueLine } from '../src/admin/wire.js'
import { causesIn, OpenSamples } from '../src/journal/open-samples.js'

const NOTHING = { queues: [], open: { count: 0, places: [] }, rooms: [], dumps: { count: 0, causes: [] } }
const NO_RATES = { changePerSecond: undefined, unacked: undefined, inPerSecond: undefined, outPerSecond: undefined }

function queue(role: QueueLine['role'], messages: number, consumers: number, service?: string): QueueLine {
  return { ...NO_RATES, name: role, state: 'there', messages, consumers, role, service }
}

function told(parts: Partial<Pick<Overview, 'queues' | 'open' | 'rooms' | 'dumps'>>): string[] {
  return alarmsOf({ ...NOTHING, ...parts }).map(({ level, part, text }) => `${level} ${part.kind}: ${text}`)
}

function open(...places: NonNullable<Overview['open']>['places']): Pick<Overview, 'open'> {
  return { open: { count: places.length, places } }
}

test('all is well', () => {
  const queues = [
    queue('work', 7, 1, 'feed_cuckoo'),
    queue('failed', 0, 1, 'overseer'),
    queue('delay', 3, 1),
    queue('lost', 0, 0),
  ]
  assert.deepEqual(told({ queues }), [])
  assert.deepEqual(
    told(open({ service: 'check_results', event: 'waiting', for: 'the analysis in Cuckoo', count: 3 })),
    [],
  )
  assert.deepEqual(told({ open: undefined }), [])
})

test('a queue that nobody consumes, one that is missing, one that cannot be looked at, and what was lost', () => {
  const queues: QueueLine[] = [
    queue('work', 7, 0, 'check_results'),
    queue('failed', 0, 0, 'overseer'),
    queue('delay', 0, 0),
    queue('lost', 1, 0),
    queue('other', 9, 0),
    { ...NO_RATES, name: 'gone', state: 'missing', role: 'work', service: 'parse_and_submit' },
    { ...NO_RATES, name: 'shut', state: 'unknown', why: 'no right', role: 'work', service: 'parse_and_submit' },
  ]
  assert.deepEqual(told({ queues }), [
    'bad service: 7 messages in "work", and nobody consumes it',
    'bad service: Nobody consumes "failed"',
    'bad service: 1 message in "lost": they were redelivered more often than the broker allows',
    'bad service: There is no queue "gone"',
    'bad service: "shut" cannot be checked: no right',
  ])
})

test('a server that is away is worse than one without room, which is why feed_cuckoo takes nothing', () => {
  const full = open({ service: 'feed_cuckoo', event: 'waiting', for: 'room in Cuckoo', count: 1 })
  assert.deepEqual(told({ ...full, queues: [queue('work', 7, 0, 'feed_cuckoo')] }), [
    'warn sandbox: No room in Cuckoo: 1 sample waits',
    'warn service: 7 messages in "work": feed_cuckoo accepts none until Cuckoo has room',
  ])
  const away = open(
    { service: 'feed_cuckoo', event: 'waiting', for: 'room in Cuckoo', count: 1 },
    { service: 'parse_and_submit', event: 'waiting', for: 'CRITs, which is unavailable or failing', count: 2 },
    { service: 'check_results', event: 'waiting', for: 'Cuckoo, which is unavailable', count: 1 },
    { service: 'check_results', event: 'resumed', for: 'Cuckoo, which is unavailable', count: 5 },
  )
  assert.deepEqual(told(away), [
    'bad crits: CRITs is unavailable or failing: 2 samples wait',
    'bad sandbox: Cuckoo is unavailable: 1 sample waits',
    'warn sandbox: No room in Cuckoo: 1 sample waits',
  ])
})

test('feed_cuckoo takes nothing while all sandboxes are full, whether or not a sample is known to wait', () => {
  const room = { sandbox: 'http://a', instance: 'i', at: 1, maxPending: 3 }
  const queues = [queue('work', 7, 0, 'feed_cuckoo')]
  const full = told({ queues, rooms: [{ ...room, state: 'full' }] })
  assert.deepEqual(full, ['warn service: 7 messages in "work": feed_cuckoo accepts none until Cuckoo has room'])
  for (const state of ['room', 'unknown'] as const) {
    const rooms = [
      { ...room, state },
      { ...room, sandbox: 'http://b', state: 'full' as const },
    ]
    assert.deepEqual(told({ queues, rooms }), ['bad service: 7 messages in "work", and nobody consumes it'])
  }
})

test('a cause that others share is told with what to do, and dumps with their causes', () => {
  const place = { service: 'overseer', event: 'waits for its cause' }
  const shared = open({ ...place, code: 'CRITS_AUTH', count: 2 }, { ...place, code: 'CUCKOO_TOKEN_REFUSED', count: 1 })
  assert.deepEqual(told(shared), [
    'bad crits: CRITS_AUTH: 2 samples wait until this is fixed',
    'bad sandbox: CUCKOO_TOKEN_REFUSED: 1 sample waits until this is fixed',
  ])
  assert.match(alarmsOf({ ...NOTHING, ...shared })[0]?.advice ?? '', /wrong key/)
  const causes = [
    { code: 'TASK_GONE', service: 'check_results', count: 2 },
    { code: 'NO_FAILED_MESSAGE', service: '', count: 1 },
  ]
  assert.deepEqual(told({ dumps: { count: 3, causes } }), [
    'warn dumps: 3 dumps, most of them TASK_GONE in check_results',
  ])
  assert.deepEqual(told({ dumps: { count: 2, causes: causes.slice(0, 1) } }), [
    'warn dumps: 2 dumps: TASK_GONE in check_results',
  ])
})

test('samples are counted where they were last heard of', () => {
  const samples = new OpenSamples()
  let seq = 0
  const tell = (analysis: string, event: string, more: object = {}) => {
    seq += 1
    samples.add({ at: seq, service: 'feed_cuckoo', instance: 'a', seq, event, analysis, ...more })
  }
  for (const analysis of ['1', '2', '3', '4']) tell(analysis, 'received')
  tell('1', 'waiting', { for: 'room in Cuckoo' })
  tell('2', 'waiting', { for: 'room in Cuckoo' })
  tell('3', 'complete')
  tell('4', 'waits for its cause', { service: 'overseer', code: 'CRITS_AUTH' })
  assert.deepEqual(samples.places, [
    { service: 'feed_cuckoo', event: 'waiting', for: 'room in Cuckoo', count: 2 },
    { service: 'overseer', event: 'waits for its cause', code: 'CRITS_AUTH', count: 1 },
  ])
  assert.deepEqual([...causesIn(samples.places)], [['CRITS_AUTH', 1]])
  for (let number = 0; number < 2000; number += 1) tell(`s${number}`, 'submitted', { sandbox: `http://${number}` })
  assert.ok(samples.places.length <= 1001, 'messages may name any sandbox')
  assert.equal(
    samples.places.reduce((sum, { count }) => sum + count, 0),
    samples.count,
  )
})
