// `overseer where` in every state that a sample can be in: the built services, a real broker, and nothing but its output.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { spawnService, waitFor } from '@cuckoo-distributed/testing'
import { type Emitted, type Scene, startScene } from './scene.js'

interface Life {
  readonly analysis: string
  readonly tasks: readonly number[]
  readonly events: readonly { readonly event: string; readonly service: string; readonly attempt?: number }[]
  readonly now: { readonly state: string; readonly text: string }
}

interface Report {
  readonly found: readonly { readonly what: string; readonly lives: readonly Life[] }[]
  readonly gaps: readonly unknown[]
  readonly answered: readonly string[]
  readonly silent: readonly string[]
  readonly problems: readonly string[]
}

const times = Number.POSITIVE_INFINITY
/** Whoever lives answers within this time. */
const PATIENTLY = ['--wait', '60'] as const
const UPLOADS = { method: 'POST', path: '/tasks/create/file' }

function sample(number: number) {
  return { name: `sample-${number}.exe`, bytes: Buffer.from(`MZ\x90 sample ${number} C:\\Temp\\drop${number}.dll`) }
}

async function where(t: TestContext, scene: Scene, ...args: string[]) {
  const command = await spawnService(t, 'overseer', { config: scene.configs.overseer, args: ['where', ...args] })
  const { code } = await command.exit
  return { code, text: command.output.join('\n') }
}

async function reportOf(t: TestContext, scene: Scene, what: string, ...args: string[]): Promise<Report> {
  const { text } = await where(t, scene, what, '--json', ...args)
  return JSON.parse(text.slice(text.search(/^\{$/m)))
}

/** Waits until `where` says that the sample is in this state; tells how long that answer took, which depends on the machine. */
async function untilIs(t: TestContext, scene: Scene, { md5 }: Emitted, state: string): Promise<Life> {
  let last: Report | undefined
  return await waitFor(
    async () => {
      const asked = performance.now()
      last = await reportOf(t, scene, md5)
      const life = last.found[0]?.lives[0]
      if (life?.now.state !== state) return false
      t.diagnostic(`"${state}" in ${((performance.now() - asked) / 1000).toFixed(2)} s`)
      return life
    },
    { everyMs: 100, describe: () => `"${state}" in ${JSON.stringify(last, null, 1)}` },
  )
}

/** Waits until `where` tells these events of the sample, besides those that may be left out: each service tells its own, in its own time. */
async function untilTold(t: TestContext, scene: Scene, { md5 }: Emitted, expected: readonly string[], besides: RegExp) {
  let told: string[] = []
  await waitFor(
    async () => {
      const [life] = (await reportOf(t, scene, md5)).found[0]?.lives ?? []
      told = (life?.events ?? [])
        .map(({ service, event }) => `${service} ${event}`)
        .filter(event => !besides.test(event))
      return isDeepStrictEqual(told, expected)
    },
    { everyMs: 100, describe: () => `${expected.join(', ')} to be told; ${told.join(', ')} were` },
  )
}

test('never seen, in Cuckoo, waiting for room in Cuckoo, not yet received', async t => {
  const scene = await startScene(t)
  const cuckoo = await scene.startCuckoo({ analysisTime: 3_600_000, machines: 1 })
  await scene.start('overseer')
  const unseen = await where(t, scene, 'f'.repeat(32), ...PATIENTLY)
  assert.equal(unseen.code, 1)
  assert.match(unseen.text, /never seen/)
  await scene.start('feed_cuckoo', { CuckooURL: cuckoo.url, MaxPending: 1, PrefetchCount: 1 })
  await scene.start('check_results')
  const samples: Emitted[] = []
  for (let number = 1; number <= 4; number += 1) samples.push(await scene.emit(sample(number)))
  const [first, , third, fourth] = samples
  assert.ok(first && third && fourth)
  const inCuckoo = await untilIs(t, scene, first, 'in sandbox')
  assert.match(inCuckoo.now.text, /^task 1 of http:\/\/127\.0\.0\.1:\d+\/?; watched by check_results \(/)
  const waiting = await untilIs(t, scene, third, 'waiting')
  assert.match(waiting.now.text, /^waiting for room in Cuckoo; held by feed_cuckoo/)
  const { code, text } = await where(t, scene, fourth.md5, ...PATIENTLY)
  assert.equal(code, 1)
  assert.match(text, /not received yet, if it was sent: 1 message in "/)
  const byTask = await reportOf(t, scene, '1', ...PATIENTLY)
  assert.equal(byTask.found[0]?.lives[0]?.analysis, first.analysisId)
})

test('being read, waiting for CRITs, complete', async t => {
  const scene = await startScene(t)
  const cuckoo = await scene.startCuckoo({ singleThreaded: false })
  for (const name of ['overseer', 'check_results', 'parse_and_submit'] as const) await scene.start(name)
  await scene.start('feed_cuckoo', { CuckooURL: cuckoo.url })
  cuckoo.faults.next({ kind: 'hang', match: { method: 'GET', path: '/tasks/report/1' }, times })
  const first = await scene.emit(sample(1))
  const read = await untilIs(t, scene, first, 'being read')
  assert.match(read.now.text, /^parse_and_submit \(/)
  cuckoo.faults.clear()
  scene.crits.faults.next({ kind: 'refuse', times })
  const second = await scene.emit(sample(2))
  const waiting = await untilIs(t, scene, second, 'waiting')
  assert.match(waiting.now.text, /^waiting for CRITs, which is unavailable or failing; held by parse_and_submit/)
  scene.crits.faults.clear()
  await untilIs(t, scene, second, 'complete')
  const events = [
    'feed_cuckoo received',
    'feed_cuckoo submitted',
    'check_results received',
    'check_results reported',
    'parse_and_submit received',
    'parse_and_submit complete',
  ]
  await untilTold(t, scene, second, events, /waiting|resumed/)
})

test('in a retry delay, in another one for a shared cause', async t => {
  const scene = await startScene(t)
  const cuckoo = await scene.startCuckoo()
  await scene.start('overseer', { RetryDelays: [600] })
  await scene.start('feed_cuckoo', { CuckooURL: cuckoo.url })
  cuckoo.faults.next({ kind: 'status', status: 413, match: UPLOADS, times })
  const retried = await untilIs(t, scene, await scene.emit(sample(1)), 'retry')
  assert.match(retried.now.text, /^failed with CUCKOO_TASK_REFUSED; its next attempt is due at 2/)
  scene.crits.faults.next({ kind: 'status', status: 401, times })
  const shared = await untilIs(t, scene, await scene.emit(sample(2)), 'shared cause')
  assert.match(shared.now.text, /^waiting until the shared cause CRITS_AUTH is fixed; its next attempt is due/)
})

test('dumped, and complete after a resubmission, with all that was in between', async t => {
  const scene = await startScene(t)
  const cuckoo = await scene.startCuckoo()
  for (const name of ['check_results', 'parse_and_submit'] as const) await scene.start(name)
  await scene.start('overseer', { RetryDelays: [1] })
  await scene.start('feed_cuckoo', { CuckooURL: cuckoo.url })
  cuckoo.faults.next({ kind: 'status', status: 413, match: UPLOADS, times })
  const analysis = await scene.emit(sample(1))
  const dumped = await untilIs(t, scene, analysis, 'dumped')
  assert.match(dumped.now.text, /^dumped as \S+\.json by overseer \(.*failed 2 times/)
  cuckoo.faults.clear()
  assert.equal((await (await scene.resubmitDumped()).exit).code, 0)
  await untilIs(t, scene, analysis, 'complete')
  const events = [
    'feed_cuckoo failed',
    'overseer retry due',
    'overseer retried',
    'feed_cuckoo failed',
    'overseer dumped',
    'overseer resubmitted',
    'feed_cuckoo submitted',
    'check_results reported',
    'parse_and_submit complete',
  ]
  await untilTold(t, scene, analysis, events, /waiting|resumed|received/)
  const { text, code } = await where(t, scene, analysis.analysisId, ...PATIENTLY)
  assert.equal(code, 0)
  assert.match(text, /feed_cuckoo \(.*\): received attempt 2/)
  assert.doesNotMatch(text, /incomplete|silent/)
})

test('an overseer that is stopped is named, and its journal is read where it lies', async t => {
  const scene = await startScene(t)
  const cuckoo = await scene.startCuckoo()
  const overseer = await scene.start('overseer')
  await scene.start('feed_cuckoo', { CuckooURL: cuckoo.url })
  const analysis = await scene.emit(sample(1))
  await untilIs(t, scene, analysis, 'queued')
  await overseer.stop()
  const report = await reportOf(t, scene, analysis.analysisId)
  assert.equal(report.found[0]?.lives[0]?.now.state, 'queued')
  const { text } = await where(t, scene, analysis.md5, '--hosts', 'elsewhere')
  assert.match(text, /^no answer from the overseer of elsewhere;/m)
  assert.match(text, /no consumer of ".*" sends events/)
})

test('one of two overseers has all events, both answer, and one that was killed is named', async t => {
  const scene = await startScene(t)
  const cuckoo = await scene.startCuckoo()
  await scene.start('overseer')
  await scene.start('feed_cuckoo', { CuckooURL: cuckoo.url })
  const analysis = await scene.emit(sample(1))
  await untilIs(t, scene, analysis, 'queued')
  const elsewhere = await mkdtemp(join(tmpdir(), 'elsewhere-'))
  t.after(() => rm(elsewhere, { recursive: true, force: true }))
  const second = await scene.start('overseer', { JournalDir: elsewhere })
  const answered = async () => (await reportOf(t, scene, analysis.md5)).answered.length
  await waitFor(async () => (await answered()) === 2, { describe: 'both to answer' })
  await second.kill()
  const report = await waitFor(
    async () => {
      const looked = await reportOf(t, scene, analysis.md5)
      return looked.silent.some(place => /:.*elsewhere-/.test(place)) && looked
    },
    { describe: 'the killed one to be named' },
  )
  assert.equal(report.found[0]?.lives[0]?.now.state, 'queued')
  assert.deepEqual(report.gaps, [])
})
