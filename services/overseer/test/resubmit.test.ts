import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type HeaderTable, readHeaders, UndeliverableError } from '@cuckoo-distributed/core'
import { waitFor } from '@cuckoo-distributed/testing'
import { prepareDumpDir } from '../src/dump.js'
import { encodeDump } from '../src/dump-file.js'
import { Presence } from '../src/presence.js'
import { resubmitDumps } from '../src/resubmit.js'
import { failedFields, silentLog, temporaryDir, wrapped } from './support.js'

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
  await prepareDumpDir(dir, silentLog)
  for (const [name, content] of Object.entries(files)) await writeFile(join(dir, name), content)
  return dir
}

function dump(queue: string, body: Buffer): Buffer {
  return encodeDump({ ...failedFields(queue), body }, readHeaders({ 'x-attempts': 4, 'x-visited': '["a"]' }))
}

test('dumps of both suites go straight to their queues with a fresh count, and are gone then', async t => {
  const dir = await dumpsWith(t, {
    '1.json': dump('worker/check', Buffer.from('{"a":1}')),
    '2.json': dump('worker/feed', Buffer.from([0xff, 0x00])),
    '1437000000_0': wrapped('worker/submit', 'from Go'),
  })
  const publisher = new FakePublisher()
  const result = await resubmitDumps({ dir, publisher, log: silentLog }, never)
  assert.deepEqual(result, { resubmitted: 3, left: 0 })
  assert.deepEqual(publisher.published, [
    { queue: 'worker/check', body: '{"a":1}', headers: { 'x-visited': '["a"]' } },
    { queue: 'worker/submit', body: 'from Go', headers: {} },
    { queue: 'worker/feed', body: '\xff\0', headers: { 'x-visited': '["a"]' } },
  ])
  assert.deepEqual(await readdir(dir), [])
})

test('a dump is still on disk while the broker has not confirmed it, under a name nobody else takes', async t => {
  const dir = await dumpsWith(t, { '1.json': dump('worker/check', Buffer.from('{}')) })
  const seen: string[][] = []
  const publisher = new FakePublisher(async () => {
    seen.push(await readdir(dir))
    assert.deepEqual(await resubmitDumps({ dir, publisher, log: silentLog }, never), { resubmitted: 0, left: 0 })
  })
  assert.deepEqual(await resubmitDumps({ dir, publisher, log: silentLog }, never), { resubmitted: 1, left: 0 })
  assert.deepEqual(
    seen
      .flat()
      .map(name => name.replace(/-[0-9a-f]{12}/, '-ID'))
      .sort(),
    ['.resubmit-ID-1.json', '.resubmitter-ID'],
  )
  assert.deepEqual(await readdir(dir), [])
})

test('a dump in work stays so when an overseer starts whose process has the same number, in another container', async t => {
  const dir = await dumpsWith(t, { '1.json': dump('worker/check', Buffer.from('{}')) })
  // Both run in this very process.
  const publisher = new FakePublisher(async () => {
    const before = await readdir(dir)
    await prepareDumpDir(dir, silentLog)
    assert.deepEqual(await readdir(dir), before)
  })
  assert.deepEqual(await resubmitDumps({ dir, publisher, log: silentLog }, never), { resubmitted: 1, left: 0 })
  assert.deepEqual(await readdir(dir), [])
})

test('what a killed resubmission had in hand is a dump again at the next start', async t => {
  const dir = await dumpsWith(t, { '1.json': dump('worker/check', Buffer.from('{}')) })
  const child = spawn(process.execPath, [fileURLToPath(new URL('./resubmit-for-ever.js', import.meta.url)), dir])
  t.after(() => child.kill('SIGKILL'))
  await waitFor(async () => !(await readdir(dir)).includes('1.json'), { describe: 'the child to take the dump' })
  await prepareDumpDir(dir, silentLog)
  assert.ok(!(await readdir(dir)).includes('1.json'))
  child.kill('SIGKILL')
  await once(child, 'exit')
  await prepareDumpDir(dir, silentLog)
  assert.ok((await readdir(dir)).includes('1.json'))
})

test('a DumpDir that can hold no socket is refused before a dump is touched', async t => {
  const dir = join(await dumpsWith(t, {}), 'x'.repeat(100))
  await mkdir(dir)
  await writeFile(join(dir, '1.json'), dump('worker/check', Buffer.from('{}')))
  const resubmission = resubmitDumps({ dir, publisher: new FakePublisher(), log: silentLog }, never)
  await assert.rejects(resubmission, { code: 'DUMP_DIR_SOCKET', message: /path is too long/ })
  assert.deepEqual(await readdir(dir), ['1.json'])
  await assert.rejects(Presence.announce('/proc/self'), { code: 'DUMP_DIR_SOCKET', message: /EACCES|ENOENT|EPERM/ })
})

test('a dump whose queue does not exist stays as it was', async t => {
  const content = dump('worker/none', Buffer.from('{}'))
  const dir = await dumpsWith(t, { '1.json': content, '2.json': dump('worker/check', Buffer.from('{}')) })
  const result = await resubmitDumps({ dir, publisher: new FakePublisher(), log: silentLog }, never)
  assert.deepEqual(result, { resubmitted: 1, left: 1 })
  assert.deepEqual(await readdir(dir), ['1.json'])
  assert.deepEqual(await readFile(join(dir, '1.json')), content)
})

test('bytes that are no failed message stay, unless their queue is named', async t => {
  const dir = await dumpsWith(t, { raw: Buffer.from([0xff]), other: '{"TaskId":1}' })
  const publisher = new FakePublisher()
  assert.deepEqual(await resubmitDumps({ dir, publisher, log: silentLog }, never), { resubmitted: 0, left: 2 })
  assert.deepEqual(await readdir(dir), ['other', 'raw'])
  const result = await resubmitDumps({ dir, publisher, rawQueue: 'worker/failed', log: silentLog }, never)
  assert.deepEqual(result, { resubmitted: 2, left: 0 })
  assert.deepEqual(publisher.published, [
    { queue: 'worker/failed', body: '{"TaskId":1}', headers: {} },
    { queue: 'worker/failed', body: '\xff', headers: {} },
  ])
})

test('hidden files and directories are no dumps', async t => {
  const dir = await dumpsWith(t, { '.tmp-1-x': 'half' })
  await mkdir(join(dir, 'old'))
  const result = await resubmitDumps({ dir, publisher: new FakePublisher(), rawQueue: 'q', log: silentLog }, never)
  assert.deepEqual(result, { resubmitted: 0, left: 0 })
  assert.deepEqual(await readdir(dir), ['.tmp-1-x', 'old'])
})

test('a signal leaves the rest in place, the dump in hand included', async t => {
  const dir = await dumpsWith(t, {
    '1.json': dump('worker/check', Buffer.from('{}')),
    '2.json': dump('worker/check', Buffer.from('{}')),
  })
  const stop = new AbortController()
  const publisher = new FakePublisher(async () => stop.abort(new Error('stopping')))
  assert.deepEqual(await resubmitDumps({ dir, publisher, log: silentLog }, stop.signal), { resubmitted: 0, left: 2 })
  assert.deepEqual(await readdir(dir), ['1.json', '2.json'])
})
