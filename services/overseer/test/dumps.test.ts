import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rename, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { spyOnFiles } from '@cuckoo-distributed/testing'
import { sweep } from '../src/dump-dir.js'
import { byCause } from '../src/dumps/causes.js'
import { deleteDump } from '../src/dumps/delete.js'
import { editDump } from '../src/dumps/edit.js'
import { listDumps } from '../src/dumps/envelope.js'
import { exportDumps } from '../src/dumps/export.js'
import { namedDumps, selectDumps } from '../src/dumps/select.js'
import { detailsOf, inWords } from '../src/dumps/show.js'
import { API_KEY, dumpOf, failedFields, silentLog, taskBody, temporaryDir } from './support.js'

const SAMPLE = 'TVqQAAMAAAAEAAAA'.repeat(10_000)

/** As CRITs sends it: keys in any order, escapes, a sample. */
function submissionBody(changes: object = {}): string {
  const crits = { analysis_id: 'a-1', object_type: 'Sample', object_id: '1', username: 'alice', api_key: API_KEY }
  return JSON.stringify({
    payload: { options: 'free=yes' },
    file: { name: 'Rechnung\u00e9.exe', data: SAMPLE },
    crits_data: { ...crits, md5: '9e107d9d372bb6826bd81d3542a419d6', source: 'Internal', ...changes },
  }).replaceAll('\u00e9', '\\u00e9')
}

const ONE = `20260102T030405.678Z-${'1'.repeat(32)}.json`
const TWO = `20260102T030405.678Z-${'2'.repeat(32)}.json`
const RAW = `${'3'.repeat(32)}.bin`
const GO = '1437000000_0'

function dump(body: string, changes: Parameters<typeof failedFields>[1] = {}, headers: Record<string, unknown> = {}) {
  return dumpOf({ ...failedFields('worker/feed', changes), body: Buffer.from(body) }, headers)
}

async function dumpsWith(t: TestContext, files: Record<string, Buffer | string>): Promise<string> {
  const dir = join(await temporaryDir(t), 'dumps')
  await mkdir(dir, { mode: 0o700 })
  for (const [name, content] of Object.entries(files)) await writeFile(join(dir, name), content, { mode: 0o600 })
  return dir
}

const goDump = JSON.stringify({
  Service: 'check_results',
  Queue: 'worker/check',
  Error: 'e\nmore',
  Desc: 'No task',
  Msg: taskBody('a-2'),
})

test('dumps of both suites, raw ones and those in hands are listed; other files are not', async t => {
  const failures = JSON.stringify([{ at: 'then', service: 'feed_cuckoo', error: 'no answer' }])
  const dir = await dumpsWith(t, {
    [`.claim-${Date.now()}xabc-${ONE}`]: dump(
      submissionBody(),
      { desc: 'CRITS_AUTH' },
      { 'x-attempts': 4, 'x-failures': failures },
    ),
    [GO]: goDump,
    [RAW]: Buffer.from([0xff]),
    notes: 'a note',
    '.notice-0123abcd-x': '{}',
  })
  const dumps = await listDumps(dir)
  const [first] = namedDumps(dumps, [ONE])
  assert.equal(dumps.length, 3)
  assert.match(first?.file ?? '', /^\.claim-/)
  assert.deepEqual([first?.at, first?.failed?.attempts], [Date.parse('2026-01-02T03:04:05.678Z'), 4])
  assert.deepEqual(first?.failed?.history, [{ at: 'then', service: 'feed_cuckoo', error: 'no answer' }])
  const go = dumps.find(({ name }) => name === GO)?.failed
  assert.deepEqual(
    [go?.service, go?.queue, go?.code, go?.attempts],
    ['check_results', 'worker/check', 'No task', undefined],
  )
  assert.equal(dumps.find(({ name }) => name === RAW)?.failed, undefined)
})

test('an envelope behind a large message, and one that is broken, are read as far as there is something', async t => {
  const late = JSON.stringify({ Msg: SAMPLE, Service: 's', Queue: 'q', Error: 'e'.repeat(9000), Desc: 'D' })
  const dir = await dumpsWith(t, { [ONE]: late, [TWO]: late.slice(0, -10), [RAW]: '{"Queue": ' })
  const dumps = await listDumps(dir)
  assert.deepEqual(
    namedDumps(dumps, [ONE, TWO, RAW]).map(({ failed }) => failed?.queue),
    ['q', undefined, undefined],
  )
  assert.ok((namedDumps(dumps, [ONE])[0]?.failed?.error.length ?? 0) < 5000)
})

test('no directory, no dumps', async t => {
  assert.deepEqual(await listDumps(join(await temporaryDir(t), 'none')), [])
})

test('causes: how many, since when, what to do', async t => {
  const dir = await dumpsWith(t, {
    [ONE]: dump('{}', { desc: 'CRITS_AUTH', failedAt: '2026-01-01T00:00:00.000Z' }),
    [TWO]: dump('{}', { desc: 'CRITS_AUTH', failedAt: '2026-01-03T00:00:00.000Z', error: 'the last' }),
    [GO]: goDump,
    [RAW]: 'x',
  })
  const causes = byCause(await listDumps(dir))
  assert.deepEqual(causes[0] && { ...causes[0], dumps: causes[0].dumps.length }, {
    code: 'CRITS_AUTH',
    service: 'check_results',
    oldest: Date.parse('2026-01-01T00:00:00.000Z'),
    newest: Date.parse('2026-01-03T00:00:00.000Z'),
    error: 'the last',
    advice:
      'CRITs answered 401: wrong key, the key of another user, or a web server that drops the header (what CRITs must allow)',
    dumps: 2,
  })
  assert.deepEqual(
    causes
      .slice(1)
      .map(({ code }) => code)
      .sort(),
    ['NO_FAILED_MESSAGE', 'No task'],
  )
})

test('filters: service, queue, code, age, analysis, MD5, text', async t => {
  const now = Date.parse('2026-01-10T00:00:00.000Z')
  const dir = await dumpsWith(t, {
    [ONE]: dump(submissionBody(), { service: 'feed_cuckoo', desc: 'CRITS_AUTH', failedAt: '2026-01-01T00:00:00.000Z' }),
    [TWO]: dump(taskBody('a-2'), { desc: 'HTTP_TIMEOUT', failedAt: '2026-01-09T00:00:00.000Z', error: 'Slow Answer' }),
    [RAW]: 'x',
  })
  const chosen = async (filters: Parameters<typeof selectDumps>[1]) =>
    (await selectDumps(dir, filters, now)).map(({ name }) => name)
  assert.deepEqual(await chosen({ service: 'feed_cuckoo' }), [ONE])
  assert.deepEqual(await chosen({ queue: 'worker/none' }), [])
  assert.deepEqual(await chosen({ code: 'HTTP_TIMEOUT' }), [TWO])
  assert.deepEqual(await chosen({ code: 'NO_FAILED_MESSAGE' }), [RAW])
  assert.deepEqual(await chosen({ minAgeMs: 2 * 86_400_000, service: 'feed_cuckoo' }), [ONE])
  assert.deepEqual(await chosen({ maxAgeMs: 2 * 86_400_000, queue: 'worker/feed' }), [TWO])
  assert.deepEqual(await chosen({ analysis: 'a-2' }), [TWO])
  assert.deepEqual(await chosen({ analysis: '9E107D9D372BB6826BD81D3542A419D6' }), [ONE])
  assert.deepEqual(await chosen({ text: 'slow' }), [TWO])
})

test('a name may be cut short as long as it is clear, and is never a path', async t => {
  const dumps = await listDumps(await dumpsWith(t, { [ONE]: dump('{}'), [TWO]: dump('{}') }))
  assert.deepEqual(
    namedDumps(dumps, [ONE.slice(0, -8)]).map(({ name }) => name),
    [ONE],
  )
  for (const name of ['2026', '../x', '', 'none'])
    assert.throws(() => namedDumps(dumps, [name]), /dumps have names that begin like this/)
})

test('what is shown has no key, no sample and no password, and no text of others makes a line', async t => {
  const body = submissionBody().replace('"payload":{', '"payload":{"url":"http://u:s3cret@h/","password":12345,')
  const headers = { 'x-resubmitted': '{"count":2,"last":[{"at":"then","by":"bob@far"}]}' }
  const dir = await dumpsWith(t, {
    [ONE]: dump(body, { error: 'e\nto do    \u001b[2Jnothing', desc: 'CRITS_AUTH' }, headers),
  })
  const [shown] = await listDumps(dir)
  assert.ok(shown)
  const details = await detailsOf(dir, shown)
  const lines = inWords(details)
  const text = `${JSON.stringify(details)}\n${lines.join('\n')}`
  for (const secret of [API_KEY, 's3cret', '12345', SAMPLE.slice(0, 16)]) assert.ok(!text.includes(secret), secret)
  assert.equal(lines.filter(line => line.startsWith('to do')).length, 1)
  assert.match(text, /analysis a-1, Sample 9e107d9d372bb6826bd81d3542a419d6, user alice/)
  assert.match(text, /resubmitted 2 times; the last: then by bob@far/)
  assert.match(text, /the sample, 160000 characters of base64/)
})

/** Edits a dump with a function in place of an editor, which is given the text once or more. */
async function edited(dir: string, name: string, ...edits: ((text: string) => string)[]) {
  const seen: string[] = []
  const isChanged = await editDump(name, {
    dir,
    async edit(path) {
      const text = await readFile(path, 'utf8')
      seen.push(text)
      assert.equal((await stat(path)).mode & 0o777, 0o600)
      assert.ok(path.startsWith(dir))
      await writeFile(path, (edits.shift() ?? (same => same))(text))
    },
    again: async problem => {
      seen.push(problem)
      return edits.length > 0
    },
  })
  return { isChanged, seen }
}

test('an edit changes what was changed and no other byte; key and sample are placeholders meanwhile', async t => {
  const body = submissionBody().replace('"payload":{', '"payload":{ "n":1.50e2,"big":12345678901234567890, "n":2,')
  const before = dump(body)
  const dir = await dumpsWith(t, { [ONE]: before })
  const { isChanged, seen } = await edited(dir, ONE, text => {
    return text.replace('"free=yes"', '"free=no"').replace('worker/feed', 'worker/other')
  })
  assert.ok(isChanged)
  for (const secret of [API_KEY, SAMPLE.slice(0, 16)]) assert.ok(!seen.join().includes(secret))
  assert.match(seen.join(), /"big": 12345678901234567890/)
  const after = before.toString().replace('free=yes', 'free=no').replace('worker/feed', 'worker/other')
  assert.equal(await readFile(join(dir, ONE), 'utf8'), after)
  assert.deepEqual(await readdir(dir), [ONE])
})

test('members may be added, renamed and removed, and a key replaced', async t => {
  const dir = await dumpsWith(t, { [GO]: goDump.replace('\\"TaskId\\":7', ' \\"TaskId\\" : 7') })
  await edited(dir, GO, text => {
    const shorter = text
      .replace(/ *"CuckooURL".*\n/, '')
      .replace(/"md5": "",\n/, '')
      .replace(/"\[hidden.*api_key\]"/, '"new key"')
    return shorter.replace('"TaskId": 7,', '"TaskId": 8, "CuckooURL": "http://new.invalid",')
  })
  const { Msg, ...others } = JSON.parse(await readFile(join(dir, GO), 'utf8'))
  const { Msg: before, ...othersBefore } = JSON.parse(goDump)
  assert.deepEqual(others, othersBefore)
  const wanted = before.replace('"TaskId":7', ' "TaskId" : 8').replace(API_KEY, 'new key').replace('"md5":"",', '')
  assert.equal(Msg, wanted.replace('http://cuckoo.invalid', 'http://new.invalid'))
})

test('what is no message, no JSON or misuses a placeholder is refused, and the dump stays as it was', async t => {
  const before = dump(submissionBody())
  const dir = await dumpsWith(t, { [ONE]: before })
  const cases: [(text: string) => string, RegExp][] = [
    [text => text.replace('"Queue"', '"Que"'), /members Queue and Msg/],
    [text => text.replace('{', ''), /is not JSON: see line/],
    [text => text.replace('"worker/feed"', '""'), /Queue must be the name/],
    [text => text.replace('"analysis_id"', '"analysis"'), /crits_data is not complete/],
    [text => text.replace(/-1: the/, '-9: the'), /placeholder that was changed/],
    [text => text.replace(/"Internal"/, /"\[hidden.*api_key\]"/.exec(text)?.[0] ?? ''), /changed or duplicated/],
    [text => text.replace(/"Msg": .*/s, '"Msg": {}\n}'), /is missing/],
  ]
  for (const [edit, problem] of cases) await assert.rejects(edited(dir, ONE, edit), problem)
  assert.deepEqual(await readFile(join(dir, ONE)), before)
  assert.deepEqual(await readdir(dir), [ONE])
})

test('what was refused may be mended in the same text', async t => {
  const dir = await dumpsWith(t, { [ONE]: dump(taskBody('a')) })
  const mend = (text: string) => text.replace('"Que"', '"Queue"').replace('worker/feed', 'worker/new')
  const { isChanged, seen } = await edited(dir, ONE, text => text.replace('"Queue"', '"Que"'), mend)
  assert.ok(isChanged)
  assert.equal(seen.length, 3)
  assert.equal(JSON.parse(await readFile(join(dir, ONE), 'utf8')).Queue, 'worker/new')
})

test('bytes that are no JSON may get another queue, and stay what they are', async t => {
  const before = dumpOf({ ...failedFields('worker/feed'), body: Buffer.from([0xff, 0x00]) })
  const dir = await dumpsWith(t, { [ONE]: `\ufeff${before}` })
  const { seen } = await edited(dir, ONE, text => text.replace('worker/feed', 'worker/new'))
  assert.match(seen.join(), /2 bytes that are no JSON/)
  assert.equal(await readFile(join(dir, ONE), 'utf8'), `\ufeff${before}`.replace('worker/feed', 'worker/new'))
})

test('no change writes nothing, and a raw dump is not edited', async t => {
  const dir = await dumpsWith(t, { [ONE]: dump(taskBody('a')), [RAW]: 'x' })
  const { steps } = await spyOnFiles(t)
  assert.equal((await edited(dir, ONE)).isChanged, false)
  assert.ok(!steps.some(step => step.startsWith('rename .tmp')))
  await assert.rejects(edited(dir, RAW), { code: 'INVALID_MESSAGE' })
  assert.deepEqual((await readdir(dir)).sort(), [ONE, RAW].sort())
})

test('an edit that has lost its dump to another changes nothing', async t => {
  const before = dump(taskBody('a'))
  const dir = await dumpsWith(t, { [ONE]: before })
  const lose = async (path: string) => {
    const text = await readFile(path, 'utf8')
    await writeFile(path, text.replace('worker/feed', 'worker/new'))
    const [claim = ''] = (await readdir(dir)).filter(name => name.startsWith('.claim'))
    await rename(join(dir, claim), join(dir, ONE))
  }
  await assert.rejects(editDump(ONE, { dir, edit: lose, again: async () => false }), { code: 'ENOENT' })
  assert.deepEqual(await readFile(join(dir, ONE)), before)
  assert.deepEqual(await readdir(dir), [ONE])
})

test('what an editor that was killed has left goes by itself', async t => {
  const dir = await dumpsWith(t, { [ONE]: dump('{}'), [`.claim-${Date.now()}xabc-${TWO}`]: dump('{}') })
  for (const name of [ONE, TWO, RAW]) await mkdir(join(dir, `.edit-${name}`))
  const old = new Date(0)
  for (const name of [ONE, TWO, RAW]) await utimes(join(dir, `.edit-${name}`), old, old)
  await sweep(dir, silentLog)
  assert.deepEqual(
    (await readdir(dir)).filter(name => name.startsWith('.edit')),
    [`.edit-${TWO}`],
  )
})

test('a deleted dump is gone, one in other hands is not', async t => {
  const dir = await dumpsWith(t, {
    [ONE]: dump('{}'),
    [`.sending-${ONE}`]: '{}',
    [`.claim-${Date.now()}xabc-${TWO}`]: 'x',
  })
  assert.equal(await deleteDump(dir, ONE), undefined)
  assert.match((await deleteDump(dir, TWO)) ?? '', /in use by another process/)
  assert.equal((await readdir(dir)).length, 1)
})

test('an export is the same bytes, says what is inside, and writes over nothing', async t => {
  const dir = await dumpsWith(t, { [ONE]: dump(submissionBody()), [GO]: goDump, [RAW]: Buffer.from([0xff]) })
  const dumps = await listDumps(dir)
  const away = await mkdtemp(join(await temporaryDir(t), 'to-'))
  const { gone, ...inside } = await exportDumps(dir, dumps, join(away, 'd.tar'))
  assert.deepEqual([inside.dumps, inside.keys, inside.samples, gone], [3, 3, 2, []])
  assert.equal((await stat(join(away, 'd.tar'))).mode & 0o777, 0o600)
  await assert.rejects(exportDumps(dir, dumps, join(away, 'd.tar')), { code: 'EEXIST' })
  execFileSync('tar', ['-xf', join(away, 'd.tar'), '-C', away])
  await exportDumps(dir, dumps, join(away, 'files'))
  for (const name of [ONE, GO, RAW]) {
    assert.deepEqual(await readFile(join(away, name)), await readFile(join(dir, name)), name)
    assert.deepEqual(await readFile(join(away, 'files', name)), await readFile(join(dir, name)), name)
  }
  assert.equal((await stat(join(away, 'files', ONE))).mode & 0o777, 0o600)
})
