import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readdir, readFile, rm } from 'node:fs/promises'
import { type TestContext, test as testOf } from 'node:test'
import { ServiceError } from '@cuckoo-distributed/core'
import { Availability, StatusError } from '@cuckoo-distributed/http'
import { EndpointOffError } from '@cuckoo-distributed/sandbox-client'
import { type FakeClock, fakeClock, spyOnFiles } from '@cuckoo-distributed/testing'
import { openFiles } from '../src/files/open-files.js'
import { collect } from '../src/nodes/collect.js'
import type { Copy, NodeSession } from '../src/nodes/session.js'
import type { Report, Task } from '../src/store/model.js'
import type { Fetch } from '../src/store/store.js'
import { folderOf } from './contract-scene.js'
import { configWith, log } from './dispatch-scene.js'

const DATABASE = { id: 'id', hasDirectories: async () => false, recordDirectories: async () => {} }
const COPY: Copy = {
  ...{ id: 3, taskId: 5, attempt: 1, nodeId: 1, nodeTaskId: 9, state: 'accepted' },
  ...{ custom: 'dist:5:1', sha256: null, begunOn: 0 },
}
const request = { method: 'GET', url: 'http://node.example/' }
const failing = new StatusError(request, { status: 500, retryAfterMs: undefined, location: undefined, excerpt: '' })
const FIRST: Fetch = { late: false, settled: [] }
const KEPT = { reason: null, retry: false }
const ABSENT = { size: null, reason: 'the node does not have it', retry: false }

type Answer = string | undefined | Error | 'hang'

/** A node with these reports, a store that says `fetch`, and what both hear. */
async function scene(t: TestContext, answers: Readonly<Record<string, Answer>>, fetch: Fetch | undefined = FIRST) {
  const folder = await folderOf(t)
  const given = { ReportFormats: Object.keys(answers).filter(format => format !== 'dropped') }
  const config = configWith(folder, given)
  const files = await openFiles(config, DATABASE, log)
  const said: unknown[] = []
  const store: { isWanted: boolean; isTaken: boolean; task: Task | undefined } = {
    ...{ isWanted: true, isTaken: true, task: undefined },
  }
  /** Called before an answer. */
  const on: { asked: (format: string) => void | Promise<void>; look: () => void } = { asked: () => {}, look: () => {} }
  const answer = async (format: string, signal: AbortSignal) => {
    said.push(`ask ${format}`)
    await on.asked(format)
    const text = answers[format]
    if (text === 'hang') await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    if (text instanceof Error) throw text
    if (text === undefined) return undefined
    return {
      async *stream() {
        yield Buffer.from(text)
      },
      discard() {},
    }
  }
  const client = {
    reportAs: (_: number, format: string, signal: AbortSignal) => answer(format, signal),
    dropped: (_: number, _options: object, signal: AbortSignal) => answer('dropped', signal),
    artifact: (_: number, format: string, signal: AbortSignal) => answer(format, signal),
  }
  const taken = (verb: string) => async (id: number, reports: readonly Report[], now: number, runningOn: number) => {
    assert.deepEqual([now, runningOn], [77, 70])
    said.push([verb, id, ...reports])
    return store.isTaken
  }
  const dispatch = {
    ...{ beginFetch: async () => fetch, isWanted: async () => store.isWanted },
    fetching: async (id: number) => void said.push(['fetching', id]),
    fetchFailed: async (id: number, error: string) => void said.push(['failed', id, error]),
    ...{ finish: taken('finish'), amend: taken('amend') },
  }
  const contacts: string[] = []
  const availability = new Availability({ probe: async () => undefined })
  availability.reportUp()
  const warned: unknown[] = []
  const warn = ({ problem, last }: Record<string, unknown>) => warned.push([problem, last])
  const silent = Object.assign(Object.create(log), { info: () => undefined, warn })
  const session: NodeSession = Object.assign(Object.create(null), {
    ...{ client, availability, files, config, log: silent, node: { id: 1, name: 'n1' }, fetching: new Set() },
    ...{
      patience: { uploadMs: 500, reportMs: 5000 },
      onContact: () => contacts.push('contact'),
      leadership: { look: () => on.look() },
    },
    store: { now: () => 77, dispatch, tasks: { get: async () => store.task } },
  })
  const stopping = new AbortController()
  const run = ({ last = false, copy = COPY } = {}) => collect(session, copy, { last, runningOn: 70 }, stopping.signal)
  const names = () => readdir(files.reportDirectory(COPY.taskId)).catch(() => undefined)
  return { run, said, store, on, stopping, names, files, session, warned, contacts }
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise(resolve => setImmediate(resolve))
}

/** The clock stands still: on a busy machine a fetch takes longer than the second after which it is looked at again. */
function test(name: string, body: (t: TestContext, clock: FakeClock) => Promise<void>): void {
  testOf(name, t => body(t, fakeClock(t)))
}

const task: Task = Object.assign(Object.create(null), { id: COPY.taskId })

test('all formats are fetched, each once, and what the node does not have is said so', async t => {
  const { run, said, names, files } = await scene(t, { json: '{}', html: '<p>' })
  assert.equal(await run(), 'settled')
  const reports = [
    { format: 'json', size: 2, ...KEPT },
    { format: 'dropped', ...ABSENT },
    { format: 'html', size: 3, ...KEPT },
  ]
  assert.deepEqual(said, ['ask json', 'ask dropped', 'ask html', ['finish', 3, ...reports]])
  assert.deepEqual(await names(), ['report.html', 'report.json'])
  assert.equal(await readFile(files.reportPath(5, 'html'), 'utf8'), '<p>')
})

test('one task is fetched by one at a time, from whichever node, and again after that has ended', async t => {
  const { run, said, session, on } = await scene(t, { json: '{}' })
  session.fetching.add(5)
  assert.equal(await run(), 'later')
  assert.deepEqual(said, [])
  session.fetching.clear()
  on.asked = () => assert(session.fetching.has(5))
  await run()
  assert.deepEqual([...session.fetching], [])
})

test('what the store gives to nobody is not asked for', async t => {
  const { run, said, session, names } = await scene(t, { json: '{}' })
  session.store.dispatch.beginFetch = async () => undefined
  assert.equal(await run(), 'later')
  assert.deepEqual([said, await names(), session.fetching.size], [[], undefined, 0])
})

test('a report that fails is fetched again; at last the task has what there is', async t => {
  const { run, said } = await scene(t, { json: '{}', html: failing })
  const reason = failing.message
  assert.deepEqual(await run(), { problem: `html: ${reason}` })
  assert.deepEqual(said.at(-1), ['failed', 3, `node n1: html: ${reason}`])
  said.length = 0
  assert.deepEqual(await run({ last: true }), { problem: `html: ${reason}` })
  const missing = { format: 'html', size: null, reason, retry: true }
  assert.deepEqual(said.at(-1), [
    'finish',
    3,
    { format: 'json', size: 2, ...KEPT },
    { format: 'dropped', ...ABSENT },
    missing,
  ])
})

test('the archive of dropped files alone is no result, also at last', async t => {
  const { run, said } = await scene(t, { json: undefined, dropped: 'BZh' })
  assert.deepEqual(await run({ last: true }), { problem: 'it has no report' })
  assert.deepEqual(said.at(-1), ['failed', 3, 'node n1: it has no report'])
})

test('a late fetch asks for what is missing only, adds any news, and says nothing of its failure', async t => {
  const { run, said } = await scene(t, { json: '{}', html: failing, pdf: '%PDF' }, { late: true, settled: ['json'] })
  assert.deepEqual(await run(), { problem: `html: ${failing.message}` })
  assert.deepEqual(said.slice(0, 3), ['ask dropped', 'ask html', 'ask pdf'])
  assert.deepEqual(said.slice(3).flat().slice(0, 2), ['amend', 3])
  const nothing = await scene(t, { json: failing, html: failing }, { late: true, settled: [] })
  assert.deepEqual(await nothing.run({ last: true }), { problem: `json: ${failing.message}` })
  assert.deepEqual(nothing.said, ['ask json', 'ask dropped', 'ask html'])
})

test('an artifact that the node has switched off is not waited for, a report is', async t => {
  const off = new EndpointOffError(request.url, 'it is off', 'taskpcap')
  const { run, said } = await scene(t, { json: '{}', pcap: off })
  assert.equal(await run(), 'settled')
  assert.deepEqual(said.flat().at(-1), { format: 'pcap', size: null, reason: off.message, retry: false })
  const other = await scene(t, { json: '{}', html: off })
  assert.deepEqual(await other.run(), { problem: `html: ${off.message}` })
})

test('reports of a task that is gone are removed, those of one that another has finished are not', async t => {
  const { run, store, names } = await scene(t, { json: '{}' })
  store.isTaken = false
  store.task = task
  assert.equal(await run(), 'later')
  assert.deepEqual(await names(), ['report.json'])
  store.task = undefined
  assert.equal(await run(), 'settled')
  assert.equal(await names(), undefined)
})

test('who does not lead any more gives no report its name, and removes none', async t => {
  const { run, said, store, on, names } = await scene(t, { json: '{}' })
  const lost = new ServiceError('LEADERSHIP_LOST', 'over')
  on.look = () => {
    throw lost
  }
  await assert.rejects(run(), lost)
  assert.deepEqual(await names(), [])
  assert.equal(said.flat().includes('finish'), false)
  let looks = 0
  on.look = () => {
    looks += 1
    if (looks > 1) throw lost
  }
  store.isTaken = false
  await assert.rejects(run(), lost)
  assert.deepEqual(await names(), ['report.json'])
})

test('a task that nobody wants any more is not fetched to the end, and nothing of it is kept', async (t, clock) => {
  const { run, said, store, names } = await scene(t, { json: 'hang' })
  const running = run()
  await until(() => said.length > 0)
  await clock.pass(999)
  assert.deepEqual(said, ['ask json'])
  await clock.pass(1)
  assert.deepEqual(said, ['ask json', ['fetching', 3]])
  await clock.pass(1_000)
  store.isWanted = false
  await clock.pass(1_000)
  assert.equal(await running, 'settled')
  assert.deepEqual(said.slice(2), [])
  assert.equal(await names(), undefined)
})

test('a late fetch is not written down as one, and ends with the process, which says nothing of the node', async (t, clock) => {
  const { run, said, stopping, names } = await scene(t, { json: 'hang' }, { late: true, settled: [] })
  const rejected = assert.rejects(run(), /stopping/)
  await until(() => said.length > 0)
  await clock.pass(1_000)
  stopping.abort(new Error('stopping'))
  await rejected
  assert.deepEqual(said, ['ask json'])
  assert.deepEqual(await names(), [])
  const first = await scene(t, { json: 'hang' })
  const again = assert.rejects(first.run(), /stopping/)
  await until(() => first.said.length > 0)
  first.stopping.abort(new Error('stopping'))
  await again
  assert.deepEqual(first.said, ['ask json'])
})

test('an error of our own is no report that is missing: it is told, and nothing is finished', async t => {
  const { run, said, on } = await scene(t, { json: '{}', html: '<p>' })
  on.asked = format => {
    if (format === 'html') throw new TypeError('a fault of ours')
  }
  await assert.rejects(run({ last: true }), /a fault of ours/)
  assert.deepEqual(said.at(-1), ['failed', 3, 'node n1: a fault of ours'])
})

test('a report that is not on disk in the end, or not all of it, finishes nothing', async t => {
  const { run, said, on, files } = await scene(t, { json: '{}' })
  on.asked = async format => {
    if (format === 'dropped') await rm(files.reportPath(5, 'json'))
  }
  await assert.rejects(run(), { code: 'ENOENT' })
  assert.equal(said.flat().includes('finish'), false)
})

test('while the reports directory is away nothing is asked for and nothing made', async t => {
  const { run, said, files } = await scene(t, { json: '{}' })
  await rm(files.reportsDirectory, { recursive: true })
  await assert.rejects(run(), { code: 'DIRECTORY_AWAY' })
  assert.equal(said.includes('ask json'), false)
  assert(!existsSync(files.reportsDirectory))
})

test('all reports have their names on disk before the task is finished', async t => {
  const { run, session } = await scene(t, { json: '{}', html: '<p>' })
  const { steps, note } = await spyOnFiles(t)
  const { finish } = session.store.dispatch
  session.store.dispatch.finish = async (...given) => {
    note('finished')
    return finish(...given)
  }
  await run()
  const order = steps.filter(step => /^(rename|sync 5|finished)/.test(step)).map(step => step.replace(/rename .* /, ''))
  assert.deepEqual(order, ['report.json', 'report.html', 'sync 5', 'finished'])
})

test('a report that is none, or about another file, is missing; each piece of an answer is a sign of life', async t => {
  const broken = await scene(t, { json: '{"a":', html: '<p>' })
  const result = await broken.run()
  assert(typeof result === 'object')
  assert.match(result.problem, /^json: /)
  assert.deepEqual(broken.warned, [[result.problem, false]])
  const asked = broken.said.filter(entry => typeof entry === 'string').length
  assert.equal(asked, 3)
  assert.equal(broken.contacts.length, asked + 2)
})

test('a late fetch that finds nothing new is over where one report is there already, and nothing looks at it afterwards', async t => {
  const { run, said, warned } = await scene(t, { json: '{}', html: undefined }, { late: true, settled: ['json'] })
  assert.equal(await run(), 'settled')
  assert.deepEqual([warned, said.flat().includes('amend')], [[], true])
})

test('once the fetch is over the task is not looked at any more', async (t, clock) => {
  const { run, said } = await scene(t, { json: '{}' })
  await run()
  const before = said.length
  await clock.pass(10_000)
  assert.equal(said.length, before)
})

test('reports of a task that is gone are not looked for in a directory that is away', async t => {
  const { run, store, files, session } = await scene(t, { json: '{}' })
  store.isTaken = false
  session.store.tasks.get = async () => {
    await rm(files.reportsDirectory, { recursive: true })
    return undefined
  }
  await assert.rejects(run(), { code: 'DIRECTORY_AWAY' })
})

test('a report about another file than the one that was sent is none', async t => {
  const sha256 = (digit: string) => digit.repeat(64)
  const { run } = await scene(t, { json: JSON.stringify({ target: { file: { sha256: sha256('b') } } }) })
  const result = await run({ copy: { ...COPY, sha256: sha256('a') } })
  assert.match(typeof result === 'object' ? result.problem : result, /^json: /)
  assert.equal(await run({ copy: { ...COPY, sha256: sha256('b') } }), 'settled')
})
