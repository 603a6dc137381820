import assert from 'node:assert/strict'
import { readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { CritsServers } from '@cuckoo-distributed/crits-client'
import { writeDurably } from '@cuckoo-distributed/staging'
import { type CritsStandIn, spyOnFiles, startCrits, waitFor } from '@cuckoo-distributed/testing'
import { dumpOfNotice, type Notice, Notices, noticeName } from '../src/notices.js'
import { silentLog, temporaryDir } from './support.js'

const DUMP = `${'1'.repeat(32)}.json`

/** A directory, and CRITs with one analysis for each notice. */
async function scene(t: TestContext) {
  const dir = await temporaryDir(t)
  const crits = await startCrits()
  t.after(() => crits.close())
  const warned: string[] = []
  const log = Object.assign(Object.create(silentLog), {
    child: () => log,
    warn: (_: unknown, message: string) => warned.push(message),
  })
  const stop = new AbortController()
  const start = (options: { sharedCauseLimit?: number; stop?: AbortController; dir?: string } = {}) => {
    const servers = new CritsServers({ verifySsl: true })
    const end = options.stop ?? stop
    const notices = new Notices({
      dir: options.dir ?? dir,
      servers,
      log,
      sharedCauseLimit: options.sharedCauseLimit ?? 60,
      stop: end.signal,
    })
    t.after(async () => {
      end.abort(new Error('the test is over'))
      await notices[Symbol.asyncDispose]()
      await servers[Symbol.asyncDispose]()
    })
    return notices
  }
  const put = (notice: Notice, dump = DUMP) => {
    const file = noticeName(dump, notice.crits)
    return writeDurably(join(dir, file), [Buffer.from(JSON.stringify(notice))]).then(() => file)
  }
  const empty = () => waitFor(async () => (await readdir(dir)).length === 0, { describe: 'no notices' })
  return { dir, crits, warned, start, put, empty }
}

function noticeFor(crits: CritsStandIn, changes: Partial<Notice['crits']> = {}) {
  const sample = crits.addSample({ bytes: Buffer.from('sample') })
  const analysis = crits.startAnalysis({ objectId: sample.id })
  const { name = '', keys: [apiKey = ''] = [] } = crits.users[0] ?? {}
  const target = { critsUrl: crits.url, analysisId: analysis.id, objectType: 'Sample', objectId: sample.id }
  const data = { ...target, username: name, apiKey, md5: '', source: '', ...changes }
  return { analysis, notice: { crits: data, line: 'Given up', isError: true, at: Date.now() } }
}

test('CRITs gets the line and the end of the analysis, and the notice is gone', async t => {
  const { crits, start, put, empty, warned } = await scene(t)
  const [ended, told] = [noticeFor(crits), noticeFor(crits)]
  const notices = start()
  notices.tell(await put(ended.notice))
  notices.tell(await put({ ...told.notice, isError: false }, `2${DUMP}`))
  await empty()
  assert.deepEqual([ended.analysis.status, told.analysis.status], ['error', 'started'])
  for (const { analysis } of [ended, told])
    assert.deepEqual(
      analysis.log.map(({ message }) => message),
      ['Given up'],
    )
  assert.deepEqual([crits.violations, warned], [[], []])
})

test('one notice after another is told', async t => {
  const { crits, start, put, empty } = await scene(t)
  const notices = start()
  for (let i = 0; i < 4; i += 1) {
    const { analysis, notice } = noticeFor(crits)
    notices.tell(await put(notice))
    await empty()
    assert.equal(analysis.status, 'error')
  }
})

test('a CRITs that is away holds up its own analyses only, and gets them when it is back', async t => {
  const { crits, start, put, empty, dir } = await scene(t)
  const other = await startCrits()
  t.after(() => other.close())
  await crits.down()
  const waiting = Array.from({ length: 5 }, () => noticeFor(crits))
  const healthy = noticeFor(other)
  const notices = start()
  for (const [i, { notice }] of waiting.entries()) notices.tell(await put(notice, `${i}${DUMP}`))
  notices.tell(await put(healthy.notice))
  await waitFor(() => healthy.analysis.status === 'error', { describe: 'the healthy CRITs' })
  await waitFor(async () => (await readdir(dir)).length === waiting.length, { describe: 'its notice to go' })
  await crits.up()
  await empty()
  assert.deepEqual(new Set(waiting.map(({ analysis }) => analysis.status)), new Set(['error']))
})

test('what could not be told is told after a restart', async t => {
  const { crits, start, put, empty, dir } = await scene(t)
  await crits.down()
  const { analysis, notice } = noticeFor(crits)
  const stop = new AbortController()
  const before = start({ stop })
  const file = await put(notice)
  before.tell(file)
  await waitFor(async () => !(await readdir(dir)).includes(file), { describe: 'the notice in hand' })
  stop.abort(new Error('stopping'))
  await before[Symbol.asyncDispose]()
  assert.deepEqual(await readdir(dir), [file])
  await crits.up()
  await start().tellAll()
  await empty()
  assert.equal(analysis.status, 'error')
})

test('what lies beside the notices is left alone', async t => {
  const { start, dir } = await scene(t)
  const others = [DUMP, '.notice-', `.notice-0123-${DUMP}`, `.sending-${DUMP}`, '.tmp-half', '1437000000_0'].sort()
  for (const file of others) await writeFile(join(dir, file), '{}')
  const notices = start()
  await notices.tellAll()
  await notices[Symbol.asyncDispose]()
  assert.deepEqual((await readdir(dir)).sort(), others)
})

test('a notice that is gone is nobody’s business; one that cannot be reached is told and left for later', async t => {
  const { start, dir, crits, warned } = await scene(t)
  const file = noticeName(DUMP, noticeFor(crits).notice.crits)
  const beside = join(dir, 'no-directory')
  await writeFile(beside, '')
  const [there, away] = [start(), start({ dir: beside })]
  there.tell(file)
  await there[Symbol.asyncDispose]()
  assert.deepEqual(warned, [])
  away.tell(file)
  await away[Symbol.asyncDispose]()
  assert.deepEqual(warned, ['a notice for CRITs is left for later'])
})

test('a stop leaves alone what is not in hand yet', async t => {
  const { crits, start, put, dir } = await scene(t)
  await crits.down()
  const stop = new AbortController()
  const notices = start({ stop })
  const files: string[] = []
  for (let i = 0; i < 4; i += 1) files.push(await put(noticeFor(crits).notice, `${i}${DUMP}`))
  const { steps } = await spyOnFiles(t)
  for (const file of files) notices.tell(file)
  await waitFor(() => steps.length === 2, { describe: 'two in hand' })
  stop.abort(new Error('stopping'))
  await notices[Symbol.asyncDispose]()
  assert.deepEqual((await readdir(dir)).sort(), files)
  const [one = '', two = ''] = files
  assert.ok(
    steps.every(step => step.endsWith(one) || step.endsWith(two)),
    `touched: ${steps}`,
  )
})

test('what CRITs can never be told is dropped with a warning', async t => {
  const { crits, start, put, empty, warned, dir } = await scene(t)
  const { analysis, notice } = noticeFor(crits)
  crits.deleteAnalysis(analysis.id)
  const damaged = noticeName(`2${DUMP}`, notice.crits)
  await put(notice)
  await writeFile(join(dir, damaged), '{"crits":{}}')
  await writeFile(join(dir, noticeName(`3${DUMP}`, notice.crits)), 'not JSON')
  await start().tellAll()
  await empty()
  assert.equal(warned.filter(line => line.startsWith('CRITs could not be told')).length, 3)
})

test('a key that is refused may be accepted again, for SharedCauseLimit', async t => {
  const { crits, start, put, empty, warned, dir } = await scene(t)
  const { notice } = noticeFor(crits, { apiKey: 'wrong' })
  const file = await put({ ...notice, at: Date.now() - 30_000 })
  const patient = start()
  await patient.tellAll()
  await waitFor(() => warned.length === 1, { describe: 'the refusal' })
  await waitFor(async () => (await readdir(dir)).includes(file), { describe: 'the notice' })
  await put({ ...notice, at: Date.now() - 60_000 })
  await patient.tellAll()
  await empty()
  assert.equal(crits.journal.length, 2)
})

test('a notice holds a key: it is for its owner only, and its name tells nothing of it', async t => {
  const { crits, put, dir } = await scene(t)
  const { notice } = noticeFor(crits)
  const file = await put(notice)
  assert.equal((await stat(join(dir, file))).mode & 0o777, 0o600)
  assert.match(file, /^\.notice-[0-9a-f]{8}-1{32}\.json$/)
  assert.equal(dumpOfNotice(file), DUMP)
  assert.equal(dumpOfNotice(DUMP), undefined)
})
