import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type HeaderTable, UndeliverableError } from '@cuckoo-distributed/core'
import { spyOnFiles, waitFor } from '@cuckoo-distributed/testing'
import { makeDumpDir, sweep } from '../src/dump-dir.js'
import { resubmitDumps } from '../src/resubmit.js'
import { dumpOf, failedFields, silentLog, temporaryDir, wrapped } from './support.js'

const never = new AbortController().signal

interface Published {
  readonly queue: string
  readonly body: string
  readonly headers: HeaderTable
}

/** Takes messages for the queues it knows, as the broker would; `during` runs before each confirm. */
class FakePublisher {
  readonly published: Published[] = []
  readonly #during: () => Promise<unknown>

  constructor(during: () => Promise<unknown> = async () => undefined) {
    this.#during = during
  }

  async publish(queue: string, body: Buffer, headers: HeaderTable, signal: AbortSignal): Promise<void> {
    await this.#during()
    signal.throwIfAborted()
    if (queue === 'worker/none') throw new UndeliverableError(queue, 'returned')
    this.published.push({ queue, body: body.toString('latin1'), headers })
  }
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
  const result = await resubmitDumps({ dir, publisher, log: silentLog }, never)
  assert.deepEqual(result, { resubmitted: 3, left: 0 })
  assert.deepEqual(publisher.published, [
    { queue: 'worker/check', body: '{"a":1}', headers: { 'x-failures': FAILURES, 'x-visited': '["a"]' } },
    { queue: 'worker/submit', body: 'from Go', headers: {} },
    { queue: 'worker/feed', body: '\xff\0', headers: { 'x-failures': FAILURES, 'x-visited': '["a"]' } },
  ])
  assert.deepEqual(await readdir(dir), [])
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
    [`.claim-CLAIM-${ONE}`],
  )
  assert.deepEqual(await readdir(dir), [])
})

test('the order on disk: claimed, published, removed', async t => {
  const dir = await dumpsWith(t, { [ONE]: dump('worker/check', Buffer.from('{}')) })
  const { steps, note } = await spyOnFiles(t)
  const publisher = new FakePublisher(async () => note('publish'))
  await resubmitDumps({ dir, publisher, log: silentLog }, never)
  const claim = `.claim-CLAIM-${ONE}`
  assert.deepEqual(
    steps.map(step => step.replace(/\d{13}x[0-9a-f]{12}/, 'CLAIM')),
    [`rename ${ONE} ${claim}`, 'publish', `unlink ${claim}`],
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
  assert.deepEqual(await readdir(dir), [ONE])
})

test('CRITs is not told of the end of what goes on: the notice goes with its dump, and stays with it', async t => {
  const notice = (name: string) => `.notice-0123abcd-${name}`
  const files = { [notice(ONE)]: '{}', [notice(TWO)]: '{}', [TWO]: dump('worker/none', Buffer.from('{}')) }
  const dir = await dumpsWith(t, { ...files, [ONE]: dump('worker/check', Buffer.from('{}')) })
  const publisher = new FakePublisher(async () => {
    assert.equal((await readdir(dir)).filter(name => name.startsWith('.notice-')).length, 1, 'out of reach meanwhile')
  })
  assert.deepEqual(await resubmitDumps({ dir, publisher, log: silentLog }, never), { resubmitted: 1, left: 1 })
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
  assert.deepEqual(publisher.published, [
    { queue: 'worker/failed', body: '\xff', headers: {} },
    { queue: 'worker/failed', body: '{"TaskId":1}', headers: {} },
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
  assert.deepEqual(await readdir(dir), [ONE, TWO])
})
