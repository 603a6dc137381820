// What a pass over the files of an analysis sends, which rows it adds, and what it keeps for the next round.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { readHeaders } from '@cuckoo-distributed/core'
import type { ResultRow, SampleFile } from '@cuckoo-distributed/crits-client'
import { ServerAwayError, StatusError } from '@cuckoo-distributed/http'
import type { Round } from '../src/analysis.js'
import type { FileKind } from '../src/file-kinds.js'
import { FilePass } from '../src/file-pass.js'
import { NO_PROGRESS, PROGRESS, type Progress } from '../src/notes.js'
import type { Uploaded } from '../src/upload.js'

const never = new AbortController().signal
const PAUSE_MS = 1000
const md5 = (text: string) => createHash('md5').update(text).digest('hex')
const file = (name: string, content = name): SampleFile => {
  return { name, md5: md5(content), size: 1, open: () => assert.fail('nothing is read') }
}

interface Given {
  readonly prior?: Partial<Progress>
  readonly waiting?: AbortSignal
  readonly hasRoom?: boolean
  readonly upload?: (file: SampleFile) => Uploaded
}

function passWith({ prior, waiting = never, hasRoom = true, upload }: Given = {}) {
  const headers = readHeaders(undefined)
  const [log, sent, rows]: [string[], string[], ResultRow[]] = [[], [], []]
  const round: Round = Object.assign(Object.create(null), {
    task: { crits: { md5: md5('the sample') } },
    context: { headers, waiting, working: never, log: { warn: () => undefined } },
    crits: {
      attempt: (signal: AbortSignal, call: (signal: AbortSignal) => Promise<unknown>) => call(signal),
      log: async (level: string, text: string) => void log.push(`${level}: ${text}`),
    },
    store: { add: (row: ResultRow) => hasRoom && rows.push(row) > 0 },
    prior: { queue: 'q', digest: 'd', ...NO_PROGRESS, ...prior },
    uploadPauseMs: PAUSE_MS,
  })
  const kind: FileKind = {
    word: 'dropped file',
    plural: 'dropped files',
    becomes: 'sample',
    async upload(_analysis, one) {
      sent.push(one.name)
      return upload?.(one) ?? { stored: true, sent: true }
    },
    row: ({ name, md5: digest }) => ({ subtype: 'file_added', result: name, fields: { md5: digest } }),
  }
  const pass = new FilePass(round)
  return {
    pass,
    kind,
    log,
    sent,
    progress: () => headers.notes.get(PROGRESS) ?? assert.fail('no progress'),
    rows: () => rows.map(({ result }) => result),
    async take(...files: readonly SampleFile[]) {
      for (const one of files) await pass.take(one, kind)
    },
  }
}

test('a file is sent once, the sample never; each name of what CRITs has gets one row', async () => {
  const { pass, kind, take, sent, rows, log } = passWith({
    upload: ({ name }) => ({ stored: name !== 'bad', sent: name !== 'bad', complaint: 'no' }),
  })
  await take(file('a'), file('b', 'a'), file('a'), file('sample', 'the sample'), file('bad'), file('worse', 'bad'))
  pass.takeName({ name: 'c', md5: md5('a') }, kind)
  pass.takeName({ name: 'd', md5: md5('bad') }, kind)
  pass.takeName({ name: 'e', md5: md5('unknown') }, kind)
  assert.deepEqual(sent, ['a', 'bad'])
  assert.deepEqual(rows(), ['a', 'b', 'sample', 'c'])
  assert.equal(await pass.end(), true)
  assert.match(log.join('\n'), /dropped file bad .*: no\ninfo: 6 dropped files, 1 uploaded$/)
})

test('what an earlier round has done is not sent again, but has its rows, without those that CRITs does not have', async () => {
  const { pass, take, sent, rows, log, progress } = passWith({ prior: { files: 3, missing: [2] } })
  await take(file('a'), file('b'), file('c'))
  assert.deepEqual([sent, rows()], [[], ['a', 'c']])
  await take(file('d'))
  assert.deepEqual([sent, rows(), progress().files], [['d'], ['a', 'c', 'd'], 4])
  await pass.end()
  assert.match(log.join(), /4 dropped files, 1 uploaded, 3 files were handled before$/)
})

test('the progress names 900 files that CRITs does not have, and no more', async () => {
  const { take, progress, log } = passWith({ upload: () => ({ stored: false, sent: false, complaint: 'no' }) })
  await take(...Array.from({ length: 901 }, (_, n) => file(`${n}`)))
  const { missing, files } = progress()
  assert.deepEqual([missing.length, missing.at(-1), files], [900, 900, 901])
  assert.equal(log.length, 901)
})

test('a file that was tried is left alone until its time has come, and the pass says when', async t => {
  t.mock.timers.enable({ apis: ['Date'], now: 50_000 })
  const tries = [
    { file: 1, count: 1, at: 50_000 },
    { file: 2, count: 1, at: 49_500 },
  ]
  const { pass, take, sent, rows, progress, log } = passWith({ prior: { files: 3, tries } })
  await take(file('a'), file('b'), file('c'))
  assert.deepEqual([sent, rows()], [[], ['c']])
  assert.equal(await pass.end(), false)
  assert.equal(progress().due, 49_500 + PAUSE_MS)
  assert.match(log.join(), /, 2 will be retried$/)
  t.mock.timers.tick(PAUSE_MS - 500)
  const next = passWith({ prior: progress() })
  await next.take(file('a'), file('b'))
  assert.deepEqual([next.sent, next.rows()], [['b'], ['b']])
  assert.deepEqual(next.progress().tries, tries.slice(0, 1))
})

test('an upload that fails without a reason is tried three times, and then told', async t => {
  t.mock.timers.enable({ apis: ['Date'], now: 50_000 })
  const request = { method: 'POST', url: 'http://crits.example/' }
  const answer = { status: 504, retryAfterMs: undefined, location: undefined, excerpt: '' }
  let prior: Partial<Progress> = {}
  for (let time = 1; time <= 3; time += 1) {
    const { pass, take, progress, log, rows } = passWith({
      prior,
      upload: () => {
        throw new StatusError(request, answer)
      },
    })
    await take(file('a'))
    assert.equal(await pass.end(), time === 3)
    assert.deepEqual([rows(), log.filter(line => line.includes('given up')).length], [[], time === 3 ? 1 : 0])
    assert.deepEqual(progress().missing, time === 3 ? [1] : [])
    prior = progress()
    t.mock.timers.tick(PAUSE_MS)
  }
})

test('a CRITs that is away is not the fault of a file', async () => {
  const { take, progress } = passWith({
    upload: () => {
      throw new ServerAwayError('away')
    },
  })
  await assert.rejects(take(file('a')), ServerAwayError)
  assert.throws(progress, /no progress/)
})

test('when its time is over a round sends one file, and ends before the next', async () => {
  const { take, sent, progress } = passWith({ waiting: AbortSignal.abort(new Error('held')) })
  await assert.rejects(take(file('a'), file('a'), file('b')), /held/)
  assert.deepEqual([sent, progress().files], [['a'], 2])
})

test('rows for which there is no room are told, by what they are', async () => {
  const { pass, take, log } = passWith({ hasRoom: false })
  await take(file('a'), file('b'))
  assert.equal(await pass.end(), true)
  assert.deepEqual(log.slice(-1), ['warning: 2 file_added rows left out: an analysis holds 12 MB'])
})

test('what could not be downloaded is remembered, and kinds without a file are told', async () => {
  const { pass, kind, progress, log } = passWith({ prior: { skipped: ['1 pcap'] } })
  pass.skip('1 payloads')
  assert.deepEqual(
    ['1 pcap', '1 payloads', '2 pcap'].map(part => pass.isSkipped(part)),
    [true, true, false],
  )
  assert.deepEqual(progress().skipped, ['1 pcap', '1 payloads'])
  pass.begin(kind)
  await pass.end()
  assert.deepEqual(log, ['info: 0 dropped files, 0 uploaded'])
})
