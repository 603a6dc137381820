import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type HeaderTable, ServiceError, UndeliverableError } from '@cuckoo-distributed/core'
import { spyOnFiles, waitFor } from '@cuckoo-distributed/testing'
import { makeDumpDir, sweep } from '../src/dump-dir.js'
import { resubmitDumps, type SendOptions, sendDump } from '../src/resubmit.js'
import { readMark, writeMark } from '../src/sending-mark.js'
import { dumpOf, failedFields, silentLog, taskBody, temporaryDir, wrapped } from './support.js'

const never = new AbortController().signal

interface Published {
  readonly queue: string
  readonly body: string
  readonly headers: HeaderTable
}

const MAX_MESSAGE_SIZE = 10_000

/** Takes messages for the queues it knows, as the broker would; `during` runs before each confirm. */
class FakePublisher {
  readonly published: Published[] = []
  readonly #during: () => Promise<unknown>

  constructor(during: () => Promise<unknown> = async () => undefined) {
    this.#during = during
  }

  async publish(
    queue: string,
    body: Buffer,
    headers: HeaderTable,
    signal: AbortSignal,
    { maxBytes = MAX_MESSAGE_SIZE }: { readonly maxBytes?: number | undefined } = {},
  ): Promise<'once'> {
    if (body.length > maxBytes) throw new ServiceError('MESSAGE_TOO_LARGE', 'above MaxMessageSize')
    await this.#during()
    signal.throwIfAborted()
    if (queue === 'worker/none') throw new UndeliverableError(queue, 'returned')
    this.published.push({ queue, body: body.toString('latin1'), headers })
    return 'once'
  }
}

/** Without the time of day. */
function atNow(message: Published): Published {
  const headers = Object.entries(message.headers).map(([name, value]) => {
    return [name, String(value).replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/, 'NOW')] as const
  })
  return { ...message, headers: Object.fromEntries(headers) }
}

async function dumpsWith(t: TestContext, files: Record<string, Buffer | string>): Promise<string> {
  const dir = join(await temporaryDir(t), 'dumps')
  await makeDumpDir(dir, silentLog)
  for (const [name, content] of Object.entries(files)) await writeFile(join(dir, name), content)
  return dir
}

const FAILURES = JSON.stringify([{ at: 'then', service: 'feed_cuckoo', error: 'e' }])

/** Names of dumps, in order. */
const ONE = `${'1'.repeat(32)}.json`
const TWO = `${'2'.repeat(32)}.json`

function dump(queue: string, body: Buffer): Buffer {
  const headers = { 'x-attempts': 4, 'x-failures': FAILURES, 'x-visited': '["a"]' }
  return dumpOf({ ...failedFields(queue), body }, headers)
}

test('dumps of both suites go straight to their queues with a fresh count, and are gone then', async t => {
  const dir = await dumpsWith(t, {
    [ONE]: dump('worker/check', Buffer.from('{"a":1}')),
    [TWO]: dump('worker/feed', Buffer.from([0xff, 0x00])),
    '1437000000_0': wrapped('worker/submit', 'from Go'),
  })
  const publisher = new FakePublisher()
  const result = await resubmitDumps({ dir, publisher, by: 'alice@host', log: silentLog }, never)
  assert.deepEqual(result, { resubmitted: 3, left: 0 })
  const note = { 'x-resubmitted': '{"count":1,"last":[{"at":"NOW","by":"alice@host"}]}' }
  assert.deepEqual(publisher.published.map(atNow), [
    { queue: 'worker/check', body: '{"a":1}', headers: { 'x-failures': FAILURES, 'x-visited': '["a"]', ...note } },
    { queue: 'worker/submit', body: 'from Go', headers: note },
    { queue: 'worker/feed', body: '\xff\0', headers: { 'x-failures': FAILURES, 'x-visited': '["a"]', ...note } },
  ])
  assert.deepEqual(await readdir(dir), [])
})

test('what has come through the broker once goes back, even if MaxMessageSize is below it by now', async t => {
  const body = Buffer.alloc(MAX_MESSAGE_SIZE + 1, 0x20)
  const dir = await dumpsWith(t, { [ONE]: dump('worker/check', body) })
  const publisher = new FakePublisher()
  assert.deepEqual(await resubmitDumps({ dir, publisher, log: silentLog }, never), { resubmitted: 1, left: 0 })
  assert.equal(publisher.published[0]?.body.length, body.length)
})

test('a dump is still on disk while the broker has not confirmed it, under a name nobody else takes', async t => {
  const dir = await dumpsWith(t, { [ONE]: dump('worker/check', Buffer.from('{}')) })
  const seen: string[][] = []
  const publisher = new FakePublisher(async () => {
    seen.push(await readdir(dir))
    await sweep(dir, silentLog)
    const beside = await resubmitDumps({ dir, publisher, log: silentLog }, never)
    assert.deepEqual(beside, { resubmitted: 0, left: 1 }, 'what is in other hands may come back')
  })
  assert.deepEqual(await resubmitDumps({ dir, publisher, log: silentLog }, never), { resubmitted: 1, left: 0 })
  assert.deepEqual(
    seen.flat().map(name => name.replace(/\d{13}x[0-9a-f]{12}/, 'CLAIM')),
    [`.claim-CLAIM-${ONE}`, `.sending-${ONE}`],
  )
  assert.deepEqual(await readdir(dir), [])
})

test('the order on disk: claimed, marked, claimed still, published, removed, no longer marked', async t => {
  const dir = await dumpsWith(t, { [ONE]: dump('worker/check', Buffer.from('{}')) })
  const { steps, note } = await spyOnFiles(t)
  const publisher = new FakePublisher(async () => note('publish'))
  await resubmitDumps({ dir, publisher, log: silentLog }, never)
  const claim = `.claim-CLAIM-${ONE}`
  assert.deepEqual(
    steps.map(step => step.replace(/\d{13}x[0-9a-f]{12}/g, 'CLAIM')),
    [
      `rename ${ONE} ${claim}`,
      'write .tmp-ID',
      'sync .tmp-ID',
      `rename .tmp-ID .sending-${ONE}`,
      'sync dumps',
      `rename ${claim} ${claim}`,
      'publish',
      `unlink ${claim}`,
      'sync dumps',
      `rm .sending-${ONE}`,
    ],
  )
})

test('a dump whose claim has expired meanwhile is published, and counts as left', async t => {
  const dir = await dumpsWith(t, { [ONE]: dump('worker/check', Buffer.from('{}')) })
  const publisher = new FakePublisher(async () => {
    const [claim = ''] = await readdir(dir)
    await rename(join(dir, claim), join(dir, ONE))
  })
  assert.deepEqual(await resubmitDumps({ dir, publisher, log: silentLog }, never), { resubmitted: 0, left: 1 })
  assert.equal(publisher.published.length, 1)
  assert.deepEqual(await readdir(dir), [`.sending-${ONE}`, ONE])
})

test('CRITs is not told of the end of what goes on: the notice goes with its dump, and stays with it', async t => {
  const notice = (name: string) => `.notice-0123abcd-${name}`
  const files = { [notice(ONE)]: '{}', [notice(TWO)]: '{}', [TWO]: dump('worker/none', Buffer.from('{}')) }
  const dir = await dumpsWith(t, { ...files, [ONE]: dump('worker/check', Buffer.from('{}')) })
  const inReach: string[][] = []
  const publisher = new FakePublisher(async () => {
    inReach.push((await readdir(dir)).filter(name => name.startsWith('.notice-')))
  })
  assert.deepEqual(await resubmitDumps({ dir, publisher, log: silentLog }, never), { resubmitted: 1, left: 1 })
  assert.deepEqual(inReach, [[notice(TWO)], []])
  assert.deepEqual(await readdir(dir), [notice(TWO), TWO])
})

test('a long publish keeps its claim alive', async t => {
  const dir = await dumpsWith(t, { [ONE]: dump('worker/check', Buffer.from('{}')) })
  const publisher = new FakePublisher(async () => {
    const before = await readdir(dir)
    await waitFor(async () => (await readdir(dir))[0] !== before[0], { everyMs: 1, describe: 'another name' })
  })
  const result = await resubmitDumps({ dir, publisher, log: silentLog, renewMs: 1 }, never)
  assert.deepEqual(result, { resubmitted: 1, left: 0 })
  assert.deepEqual(await readdir(dir), [])
})

test('a dump whose queue does not exist stays as it was', async t => {
  const content = dump('worker/none', Buffer.from('{}'))
  const dir = await dumpsWith(t, { [ONE]: content, [TWO]: dump('worker/check', Buffer.from('{}')) })
  const result = await resubmitDumps({ dir, publisher: new FakePublisher(), log: silentLog }, never)
  assert.deepEqual(result, { resubmitted: 1, left: 1 })
  assert.deepEqual(await readdir(dir), [ONE])
  assert.deepEqual(await readFile(join(dir, ONE)), content)
})

test('bytes that are no failed message stay, unless their queue is named', async t => {
  const dir = await dumpsWith(t, { '1_0': Buffer.from([0xff]), '1_1': '{"TaskId":1}' })
  const publisher = new FakePublisher()
  assert.deepEqual(await resubmitDumps({ dir, publisher, log: silentLog }, never), { resubmitted: 0, left: 2 })
  assert.deepEqual(await readdir(dir), ['1_0', '1_1'])
  const result = await resubmitDumps({ dir, publisher, rawQueue: 'worker/failed', log: silentLog }, never)
  assert.deepEqual(result, { resubmitted: 2, left: 0 })
  const published = publisher.published.map(({ queue, body }) => ({ queue, body }))
  assert.deepEqual(published, [
    { queue: 'worker/failed', body: '\xff' },
    { queue: 'worker/failed', body: '{"TaskId":1}' },
  ])
})

test('what is not named as a dump is left alone: copies, notes, hidden files and directories', async t => {
  const content = dump('worker/check', Buffer.from('{}'))
  const others = { '.tmp-1-x': 'half', [`${ONE}.bak`]: content, notes: 'a note' }
  const dir = await dumpsWith(t, { ...others, [ONE]: content })
  await mkdir(join(dir, TWO))
  const warned: unknown[] = []
  const log = Object.assign(Object.create(silentLog), { warn: (line: unknown) => warned.push(line) })
  const result = await resubmitDumps({ dir, publisher: new FakePublisher(), rawQueue: 'q', log }, never)
  assert.deepEqual(result, { resubmitted: 1, left: 0 })
  assert.deepEqual(await readdir(dir), ['.tmp-1-x', `${ONE}.bak`, TWO, 'notes'])
  assert.deepEqual(warned, [{ file: `${ONE}.bak` }, { file: TWO }, { file: 'notes' }])
})

test('a signal leaves the rest in place, the dump in hand included', async t => {
  const dir = await dumpsWith(t, {
    [ONE]: dump('worker/check', Buffer.from('{}')),
    [TWO]: dump('worker/check', Buffer.from('{}')),
  })
  const stop = new AbortController()
  let tries = 0
  const publisher = new FakePublisher(async () => {
    tries += 1
    stop.abort(new Error('stopping'))
  })
  assert.deepEqual(await resubmitDumps({ dir, publisher, log: silentLog }, stop.signal), { resubmitted: 0, left: 2 })
  assert.equal(tries, 1)
  assert.deepEqual(await readdir(dir), [`.sending-${ONE}`, ONE, TWO], 'nobody can tell whether it was sent')
})

test('what may have been sent before is marked as seen, and said to be there twice', async t => {
  const dir = await dumpsWith(t, { [ONE]: dump('worker/check', Buffer.from('{}')) })
  await writeMark(dir, ONE, { at: '2026-01-02T03:04:05.678Z', by: 'bob@far', queue: 'worker/check' })
  const publisher = new FakePublisher()
  const sent = await sendDump(ONE, { dir, publisher }, never)
  assert.ok(sent.outcome === 'sent')
  assert.match(sent.perhapsTwice ?? '', /bob@far at 2026-01-02T03:04:05.678Z was cut off/)
  assert.equal(publisher.published[0]?.headers['x-seen'], 1)
  assert.deepEqual(await readdir(dir), [])
})

test('what the broker refuses leaves no mark but that of an earlier resubmission', async t => {
  const dir = await dumpsWith(t, { [ONE]: dump('worker/none', Buffer.from('{}')) })
  const options = { dir, publisher: new FakePublisher() }
  assert.equal((await sendDump(ONE, options, never)).outcome, 'left')
  assert.deepEqual(await readdir(dir), [ONE])
  const earlier = { at: '2026-01-02T03:04:05.678Z', by: 'bob@far', queue: 'worker/check' }
  await writeMark(dir, ONE, earlier)
  assert.equal((await sendDump(ONE, options, never)).outcome, 'left')
  assert.deepEqual(await readMark(dir, ONE), earlier)
})

test('each dump has its line: sent, perhaps twice, left, in other hands', async t => {
  const inHands = `.claim-${Date.now()}xabc-${'3'.repeat(32)}.json`
  const dir = await dumpsWith(t, {
    [ONE]: dump('worker/check', Buffer.from('{}')),
    [TWO]: dump('worker/none', Buffer.from('{}')),
    [inHands]: '',
  })
  await writeMark(dir, ONE, { at: '', by: 'bob@far', queue: 'worker/check' })
  const lines: unknown[] = []
  const line = (level: string) => (given: object, message: string) => void lines.push([level, given, message])
  const log = Object.assign(Object.create(silentLog), { info: line('info'), warn: line('warn'), error: line('error') })
  assert.deepEqual(await resubmitDumps({ dir, publisher: new FakePublisher(), log }, never), {
    resubmitted: 1,
    left: 2,
  })
  assert.deepEqual(lines, [
    ['info', { file: ONE, target: 'worker/check' }, 'resubmitted'],
    ['warn', { file: ONE, why: 'a resubmission by bob@far was cut off' }, 'the message may be there twice'],
    [
      'error',
      { file: TWO, cause: new UndeliverableError('worker/none', 'returned').message },
      'left in the dump directory',
    ],
    ['warn', { files: [inHands] }, 'claimed by another resubmission; if that has died, they will be dumps again soon'],
  ])
})

test('why a dump is left: taken by others, lost while it was sent, not to be removed', async t => {
  const dir = await dumpsWith(t, { [ONE]: dump('worker/check', Buffer.from('{}')) })
  const claim = async () => join(dir, (await readdir(dir)).find(name => name.startsWith('.claim-')) ?? '')
  const lost = new FakePublisher(async () => rename(await claim(), join(dir, ONE)))
  const blocked = new FakePublisher(async () => {
    const path = await claim()
    await rm(path)
    await mkdir(path)
  })
  const whys: string[] = []
  for (const [name, publisher] of [
    [TWO, new FakePublisher()],
    [ONE, lost],
    [ONE, blocked],
  ] as const) {
    const sent = await sendDump(name, { dir, publisher }, never)
    whys.push(sent.outcome === 'left' ? sent.why : sent.outcome)
  }
  assert.equal(whys[0], 'in use by another process, or gone')
  assert.match(whys[1] ?? '', /it was sent to "worker\/check", but its claim had expired/)
  assert.match(whys[2] ?? '', /EISDIR|EPERM/)
})

test('what is left has its name again, and its notice with it, as soon as that is said', async t => {
  const notice = `.notice-0123abcd-${ONE}`
  const dir = await dumpsWith(t, { [ONE]: dump('worker/none', Buffer.from('{}')), [notice]: '{}' })
  await spyOnFiles(t)
  assert.equal((await sendDump(ONE, { dir, publisher: new FakePublisher() }, never)).outcome, 'left')
  assert.deepEqual((await readdir(dir)).sort(), [ONE, notice].sort())
  const gone = await dumpsWith(t, { [ONE]: dump('worker/check', Buffer.from('{}')), [notice]: '{}' })
  assert.equal((await sendDump(ONE, { dir: gone, publisher: new FakePublisher() }, never)).outcome, 'sent')
  assert.deepEqual(await readdir(gone), [])
})

test('the history of an analysis has who resubmitted it, from which dump and where to', async t => {
  const dir = await dumpsWith(t, { [ONE]: dump('worker/check', Buffer.from(taskBody('a-1'))) })
  const happened: unknown[] = []
  const telemetry: NonNullable<SendOptions['telemetry']> = Object.assign(Object.create(null), {
    happened: (subject: { analysisId?: string }, { at, ...event }: { at: number }) =>
      happened.push([subject.analysisId, event, at <= Date.now()]),
  })
  await sendDump(ONE, { dir, publisher: new FakePublisher(), by: 'alice@host', telemetry }, never)
  const event = { event: 'resubmitted', to: 'worker/check', file: ONE, reason: 'by alice@host' }
  assert.deepEqual(happened, [['a-1', event, true]])
})

test('a mark that cannot be read still says that the dump was being sent; without one nothing was', async t => {
  const dir = await dumpsWith(t, {
    '.sending-damaged': '{',
    '.sending-other': '{"at":1}',
    '.sending-empty': '',
  })
  await mkdir(join(dir, '.sending-directory'))
  for (const name of ['damaged', 'other', 'empty', 'directory'])
    assert.deepEqual(await readMark(dir, name), { at: '', by: 'unknown', queue: '' }, name)
  assert.equal(await readMark(dir, 'none'), undefined)
})

test('a count of resubmissions that was damaged begins anew', async t => {
  const dir = await dumpsWith(t, {})
  const publisher = new FakePublisher()
  const body = Buffer.from('{}')
  await writeFile(join(dir, ONE), dumpOf({ ...failedFields('q'), body }, { 'x-resubmitted': '{"count":"two"}' }))
  await sendDump(ONE, { dir, publisher, by: 'a@b' }, never)
  assert.match(String(publisher.published[0]?.headers['x-resubmitted']), /^\{"count":1,/)
})

test('another queue takes what is no failed message as well', async t => {
  const dir = await dumpsWith(t, { [ONE]: dump('worker/check', Buffer.from('{}')), '1_0': Buffer.from([0xff]) })
  const publisher = new FakePublisher()
  for (const name of [ONE, '1_0']) await sendDump(name, { dir, publisher, to: 'worker/other' }, never)
  assert.deepEqual(
    publisher.published.map(({ queue, body }) => [queue, body]),
    [
      ['worker/other', '{}'],
      ['worker/other', '\xff'],
    ],
  )
})

test('each resubmission is counted, and the last ones are named', async t => {
  const dir = await dumpsWith(t, {})
  const publisher = new FakePublisher()
  let headers: HeaderTable = {}
  for (let i = 1; i <= 10; i += 1) {
    await writeFile(join(dir, ONE), dumpOf({ ...failedFields('worker/check'), body: Buffer.from('{}') }, headers))
    await sendDump(ONE, { dir, publisher, by: `user${i}@host` }, never)
    headers = publisher.published.at(-1)?.headers ?? {}
  }
  const { count, last } = JSON.parse(String(headers['x-resubmitted']))
  assert.equal(count, 10)
  assert.deepEqual(
    last.map(({ by }: { by: string }) => by),
    [3, 4, 5, 6, 7, 8, 9, 10].map(i => `user${i}@host`),
  )
})

test('marks and edits whose dump is free, claimed or held too long are in use; others are tidied up once they are old', async t => {
  const now = Date.now()
  const dir = await dumpsWith(t, {
    free: '',
    [`.claim-${now}xabc-held`]: '',
    [`.claim-${now - 600_000}xabc-expired`]: '',
  })
  for (const name of ['free', 'held', 'expired', 'gone', 'fresh']) {
    await writeMark(dir, name, { at: '', by: '', queue: '' })
    await mkdir(join(dir, `.edit-${name}`))
    if (name === 'fresh') continue
    for (const file of [`.sending-${name}`, `.edit-${name}`]) await utimes(join(dir, file), 1, 1)
  }
  await sweep(dir, silentLog)
  const left = await readdir(dir)
  const of = (kind: string) => left.filter(name => name.startsWith(kind)).map(name => name.slice(kind.length))
  assert.deepEqual(of('.sending-').sort(), ['expired', 'free', 'fresh', 'held'])
  assert.deepEqual(of('.edit-').sort(), ['expired', 'fresh', 'held'])
})
