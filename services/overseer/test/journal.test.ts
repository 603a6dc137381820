// The journal on disk: what is written is found by every key, whatever process wrote it and however that ended.
import assert from 'node:assert/strict'
import { appendFile, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { PipelineEvent } from '@cuckoo-distributed/core'
import { waitFor } from '@cuckoo-distributed/testing'
import { askOverseers } from '../src/journal/ask.js'
import { RUN_ENTRIES } from '../src/journal/index-run.js'
import { OpenSamples } from '../src/journal/open-samples.js'
import { gapsBetween } from '../src/journal/ranges.js'
import { JournalReader } from '../src/journal/reader.js'
import { Store } from '../src/journal/store.js'
import { silentLog, temporaryDir } from './support.js'

const DAY = 86_400_000
const START = Date.UTC(2026, 0, 5)
const retention = { days: 30, bytes: Number.POSITIVE_INFINITY }

function event(seq: number, changes: Partial<PipelineEvent> = {}): PipelineEvent {
  const origin = { at: START + seq, service: 'feed_cuckoo', instance: 'host:1.abc', seq }
  return {
    ...origin,
    event: 'received',
    queue: 'feed',
    analysis: `analysis-${seq}`,
    md5: md5(seq),
    task: seq,
    ...changes,
  }
}

function md5(number: number): string {
  return number.toString(16).padStart(32, '0')
}

function sequence(reader: { readonly events: readonly PipelineEvent[] }): number[] {
  return reader.events.map(({ seq }) => seq)
}

test('an event is found by its MD5, analysis and task, by its process and by another one', async t => {
  const dir = await temporaryDir(t)
  await using store = new Store({ dir, log: silentLog, retention })
  const { md5: _, task: __, ...rest } = event(3, { analysis: 'analysis-1' })
  await store.append([event(1), event(2), rest])
  const other = new JournalReader(dir)
  for (const reader of [store, other]) {
    assert.deepEqual(sequence(await reader.find([{ md5: md5(1) }])), [1])
    assert.deepEqual(sequence(await reader.find([{ task: 2 }])), [2])
    assert.deepEqual(sequence(await reader.find([{ analysis: 'analysis-1' }, { task: 1 }])), [1, 3])
    assert.deepEqual(sequence(await reader.find([{ analysis: 'analysis' }])), [])
  }
})

test('events of a full run, of its rest, and of the time after a restart are all found, each once', async t => {
  const dir = await temporaryDir(t)
  const count = Math.ceil(RUN_ENTRIES / 3) + 1000
  {
    await using store = new Store({ dir, log: silentLog, retention })
    const events = Array.from({ length: count }, (_, index) => event(index + 1, { analysis: `a${index % 1000}` }))
    await store.append(events)
    assert.equal((await store.find([{ analysis: 'a7' }])).events.length, Math.ceil((count - 7) / 1000))
    assert.deepEqual(sequence(await store.find([{ md5: md5(1) }, { md5: md5(count) }])), [1, count])
  }
  assert.equal((await readdir(dir)).filter(name => name.endsWith('.idx')).length, 2)
  await using store = new Store({ dir, log: silentLog, retention })
  await store.append([event(count + 1)])
  const found = await store.find([{ task: 1 }, { task: 500 }, { task: count }, { task: count + 1 }])
  assert.deepEqual(sequence(found), [1, 500, count, count + 1])
  assert.equal(found.meta.ranges.length, 1)
})

test('the runs of a day that is over become one, in which everything is found; a search that had listed them finds it, too', async t => {
  const dir = await temporaryDir(t)
  const count = Math.ceil(RUN_ENTRIES / 3) + 1000
  let now = START
  const runs = async () => (await readdir(dir)).filter(name => name.endsWith('.idx'))
  const keys = [{ md5: md5(1) }, { task: count }, { analysis: 'a7' }, { md5: 'f'.repeat(32) }]
  const reader = new JournalReader(dir)
  await using store = new Store({ dir, log: silentLog, retention, now: () => now })
  await store.append(Array.from({ length: count }, (_, index) => event(index + 1, { analysis: `a${index % 1000}` })))
  await store.append([event(count + 1)])
  const expected = sequence(await store.find(keys))
  assert.ok(expected.length > 80)
  now += DAY
  await store.append([event(count + 2)])
  // Long enough for runs to go while it reads them.
  const many = [...keys, ...Array.from({ length: 300 }, (_, index) => ({ md5: `f${md5(index).slice(1)}` }))]
  const isOne = async () => {
    assert.deepEqual(sequence(await reader.find(many)), expected)
    return (await runs()).length === 1
  }
  await waitFor(isOne, { describe: 'one run for the day that is over' })
  const found = await new JournalReader(dir).find(keys)
  assert.deepEqual(sequence(found), expected)
  assert.deepEqual(
    found.meta.ranges.map(({ first, last }) => [first, last]),
    [[1, count + 2]],
  )
})

test('a key with more lines than are read at a time is found to its end, and so are its neighbours', async t => {
  const dir = await temporaryDir(t)
  const count = 60_000
  {
    await using store = new Store({ dir, log: silentLog, retention })
    await store.append(Array.from({ length: count }, (_, index) => event(index + 1, { analysis: 'large' })))
  }
  const reader = new JournalReader(dir)
  const { events, isCut } = await reader.find([{ analysis: 'large' }])
  assert.ok(isCut)
  assert.deepEqual(sequence({ events: events.slice(-2) }), [count - 1, count])
  for (const number of [1, 2, 3, 5, 8, 13, 777, 54_321, count]) {
    assert.deepEqual(sequence(await reader.find([{ task: number }])), [number])
    assert.deepEqual(sequence(await reader.find([{ md5: md5(number) }])), [number])
  }
})

test('a process that died in the middle of a line, before it wrote an index, costs that line', async t => {
  const dir = await temporaryDir(t)
  {
    await using store = new Store({ dir, log: silentLog, retention })
    await store.append([event(1), event(2), event(3)])
  }
  const [run = '', name = ''] = (await readdir(dir)).sort()
  await rm(join(dir, run))
  await truncate(join(dir, name), (await stat(join(dir, name))).size - 10)
  assert.deepEqual(sequence(await new JournalReader(dir).find([{ task: 1 }, { task: 2 }, { task: 3 }])), [1, 2])
  await using store = new Store({ dir, log: silentLog, retention })
  await store.append([event(4)])
  assert.equal((await readdir(dir)).filter(each => each.endsWith('.idx')).length, 1, 'what was left is indexed')
  const found = await store.find([{ task: 1 }, { task: 2 }, { task: 3 }, { task: 4 }])
  assert.deepEqual(sequence(found), [1, 2, 4])
  assert.deepEqual(
    gapsBetween(found.meta, START, START + DAY, START).map(({ events }) => events),
    [1],
  )
})

test('lines that are no events, and an index that is damaged, are passed over', async t => {
  const dir = await temporaryDir(t)
  {
    await using store = new Store({ dir, log: silentLog, retention })
    await store.append([event(1)])
  }
  const names = await readdir(dir)
  const journal = names.find(name => name.endsWith('.jsonl')) ?? ''
  const run = names.find(name => name.endsWith('.idx')) ?? ''
  await appendFile(join(dir, journal), `nonsense\n{"at":"x"}\n${JSON.stringify(event(2))}\n`)
  await writeFile(join(dir, run), 'short')
  assert.deepEqual(sequence(await new JournalReader(dir).find([{ task: 1 }, { task: 2 }])), [2])
})

test('a sequence with gaps tells how many events are missing, and when', async t => {
  const dir = await temporaryDir(t)
  await using store = new Store({ dir, log: silentLog, retention })
  await store.append([
    event(1),
    event(2),
    event(5),
    event(5),
    event(6),
    event(3, { instance: 'host:2.def', at: START }),
  ])
  const { meta, begin } = await store.find([])
  const gaps = gapsBetween(meta, START, START + DAY, begin ?? 0)
  assert.deepEqual(
    gaps.map(({ instance, events, from, to }) => [instance, events, from - START, to - START]),
    [
      ['host:1.abc', 2, 2, 5],
      ['host:2.def', 2, 0, 0],
    ],
  )
  assert.equal(gapsBetween(meta, START + 6, START + DAY, START).length, 0, 'nothing was lost later')
})

test('what is older than JournalDays goes, then the oldest beyond JournalBytes, each with its index', async t => {
  const dir = await temporaryDir(t)
  const write = async (day: number, days = 30, bytes = 1e9) => {
    await using store = new Store({ dir, log: silentLog, retention: { days, bytes }, now: () => START + day * DAY })
    await store.append([event(day)])
  }
  for (const day of [1, 2, 3]) await write(day)
  const days = async () => [...new Set((await readdir(dir)).map(name => name.slice(0, 10)))].sort()
  assert.deepEqual(await days(), ['2026-01-06', '2026-01-07', '2026-01-08'])
  await write(4, 2)
  assert.deepEqual(await days(), ['2026-01-07', '2026-01-08', '2026-01-09'])
  await write(5, 30, 600)
  assert.deepEqual(await days(), ['2026-01-09', '2026-01-10'])
})

test('a journal that cannot be written to takes the same events later, once', async t => {
  const dir = join(await temporaryDir(t), 'journal')
  await writeFile(dir, 'a file in its place')
  await using store = new Store({ dir, log: silentLog, retention })
  await assert.rejects(store.append([event(1)]), { code: /ENOTDIR|EEXIST/ })
  await rm(dir)
  await store.append([event(1)])
  const [name = ''] = await readdir(dir)
  assert.equal((await readFile(join(dir, name), 'utf8')).trim().split('\n').length, 1)
  assert.equal((await stat(join(dir, name))).mode & 0o777, 0o600)
  assert.equal((await stat(dir)).mode & 0o777, 0o700)
})

test('which samples are under way is known after a restart', async t => {
  const dir = await temporaryDir(t)
  {
    await using store = new Store({ dir, log: silentLog, retention })
    await store.append([event(1), event(2), event(3), event(4, { analysis: 'analysis-2', event: 'complete' })])
  }
  await using store = new Store({ dir, log: silentLog, retention })
  await store.append([event(5)])
  assert.equal(store.open.count, 3)
  assert.deepEqual(store.open.oldest, { analysis: 'analysis-1', since: START + 1 })
})

test('which samples are under way is not known while another reads, and is again with the next event', async t => {
  const dir = await temporaryDir(t)
  await using store = new Store({ dir, log: silentLog, retention })
  await store.append([event(1), event(2)])
  store.forget()
  assert.deepEqual([store.open.count, store.open.oldest], [0, undefined])
  await store.append([event(3, { analysis: 'analysis-2', event: 'complete' })])
  assert.deepEqual([store.open.count, store.open.oldest?.analysis], [1, 'analysis-1'])
  const late = store.append([event(4)])
  store.forget()
  await late
  assert.equal(store.open.count, 0, 'what was in hand when the turn was lost')
  await store.append([])
  assert.equal(store.open.count, 2)
  assert.deepEqual(sequence(await store.find([{ analysis: 'analysis-1' }, { analysis: 'analysis-4' }])), [1, 4])
})

test('what was under way before somebody else read counts again, with its age, when there is news of it', async t => {
  const dir = await temporaryDir(t)
  await using store = new Store({ dir, log: silentLog, retention })
  await store.append([event(1), event(2), event(3)])
  store.forget()
  // What another one was told, 4 and 5, may have been the end of any of them.
  await store.append([event(6, { event: 'waiting', analysis: 'analysis-2' })])
  assert.deepEqual([store.open.count, store.open.oldest], [1, { analysis: 'analysis-2', since: START + 2 }])
  await store.append([event(7, { analysis: 'analysis-1' }), event(8, { analysis: 'analysis-3', event: 'complete' })])
  assert.deepEqual([store.open.count, store.open.oldest], [2, { analysis: 'analysis-1', since: START + 1 }])
  await store.append([event(3, { instance: 'host:2.def', service: 'check_results', analysis: 'analysis-4' })])
  assert.deepEqual([store.open.count, store.open.oldest?.analysis], [1, 'analysis-4'], 'a process that began elsewhere')
})

test('a gap in the journal is a doubt after a restart, too', async t => {
  const dir = await temporaryDir(t)
  {
    await using store = new Store({ dir, log: silentLog, retention })
    await store.append([event(1), event(2), event(5)])
  }
  await using store = new Store({ dir, log: silentLog, retention })
  await store.append([event(6, { analysis: 'analysis-7' })])
  assert.deepEqual([store.open.count, store.open.oldest?.analysis], [2, 'analysis-5'])
})

test('files of one day are remembered in the order of their events, whatever they are called', async t => {
  const dir = await temporaryDir(t)
  // By names alone, every other time some file would be read too early.
  for (let seq = 1; seq <= 12; seq += 1) {
    await using store = new Store({ dir, log: silentLog, retention, now: () => START })
    await store.append([event(seq, { analysis: 'one', event: seq === 12 ? 'complete' : 'received' })])
  }
  await using store = new Store({ dir, log: silentLog, retention, now: () => START })
  await store.append([event(13, { analysis: 'another' })])
  assert.deepEqual([store.open.count, store.open.oldest?.analysis], [1, 'another'])
})

test('which samples are under way, since when, and which of them wait for a shared cause', () => {
  const open = new OpenSamples(3)
  const waits = { event: 'waits for its cause', code: 'CRITS_AUTH' }
  open.add(event(1))
  open.add(event(2, { event: 'submitted' }))
  open.add(event(3, waits))
  open.add(event(4, waits))
  assert.equal(open.count, 3)
  open.add(event(5, { ...waits, analysis: 'analysis-2' }))
  assert.deepEqual([...open.waiting], [['CRITS_AUTH', 2]])
  open.add(event(6, { event: 'retried', analysis: 'analysis-3' }))
  assert.deepEqual([...open.waiting], [['CRITS_AUTH', 1]])
  open.add(event(7, { event: 'dumped', analysis: 'analysis-2' }))
  assert.deepEqual([...open.waiting], [])
  assert.deepEqual(open.oldest, { analysis: 'analysis-1', since: START + 1 })
  open.add(event(8, { event: 'complete', analysis: 'analysis-1' }))
  assert.deepEqual(open.oldest, { analysis: 'analysis-3', since: START + 3 })
})

test('a question ends with the last answer that is waited for; who was silent once is named again, and not waited for', async () => {
  const answers = [
    { place: 'one:/j', host: 'one', others: ['two:/j', 'three:/j'] },
    { place: 'two:/j', host: 'two', others: ['one:/j'] },
  ]
  const heard = async (hosts: readonly string[], givenUp: readonly string[]) => {
    const ends: boolean[] = []
    const { silent } = await askOverseers(
      async (_, hear) => void ends.push(...answers.map((_, i) => hear(Buffer.from(String(i))))),
      { kind: 'question', keys: [] },
      body => answers[Number(body)],
      hosts,
      givenUp,
    )
    return { ends, silent }
  }
  assert.deepEqual(await heard([], []), { ends: [false, false], silent: ['three:/j'] })
  assert.deepEqual(await heard([], ['three:/j']), { ends: [false, true], silent: ['three:/j'] })
  assert.deepEqual(await heard(['four'], ['three:/j', 'four']), { ends: [false, true], silent: ['three:/j', 'four'] })
})
