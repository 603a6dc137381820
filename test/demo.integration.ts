// The demo as a user runs it, but for set-up and build: what it prints and what it leaves behind.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import {
  brokerForTests,
  runCritsService,
  startCrits,
  startCuckoo,
  type TestBroker,
  waitFor,
} from '@cuckoo-distributed/testing'

const demo = fileURLToPath(new URL('../../packages/demo/build/src/main.js', import.meta.url))

interface Run {
  readonly child: ChildProcess
  /** Standard output and standard error so far. */
  output(): string
  /** Resolves with the exit code. */
  readonly exit: Promise<number | null>
  /** A temporary folder that nobody but the demo uses. */
  readonly temp: string
  readonly broker: TestBroker
}

/** `env` goes before the arguments. */
async function startDemo(t: TestContext, ...given: (string | NodeJS.ProcessEnv)[]): Promise<Run> {
  const args = given.filter(value => typeof value === 'string')
  const env = given.find(value => typeof value === 'object')
  // Without a broker for the tests the demo would start one of its own.
  const broker = await brokerForTests(t)
  const temp = await mkdtemp(join(tmpdir(), 'demo-test-'))
  const child = spawn(process.execPath, [demo, '--deadline', '240', ...args], {
    env: { ...process.env, ...env, TMPDIR: temp },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  t.after(async () => {
    child.kill('SIGKILL')
    await rm(temp, { recursive: true, force: true, maxRetries: 10 })
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
    })
  }
  const exit = once(child, 'close').then(([code]) => code)
  return { child, output: () => text, exit, temp, broker }
}

/** Nothing lies around, and none of the services that the demo named is there any more. */
async function assertNothingLeft({ output, temp }: Run): Promise<void> {
  const pids = [...output().matchAll(/\(pid (\d+)\)/g)].map(([, pid]) => Number(pid))
  assert.equal(pids.length, 4)
  for (const pid of pids) assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
  assert.deepEqual(await readdir(temp), [])
}

const MADE_UP = ['delivery-note.txt', 'setup.exe', 'backup.cmd', 'Überweisung März – 請求書.js']

test('without arguments every made up file arrives, with a line as it goes and three lines of verdict', async t => {
  const run = await startDemo(t)
  assert.equal(await run.exit, 0, run.output())
  const output = run.output()
  assert.match(output, /stand-in/)
  for (const name of MADE_UP) {
    assert.match(output, new RegExp(`^${name} +queued ▸ Cuckoo \\d ▸ reported ▸ CRITs$`, 'm'))
    const verdict = new RegExp(
      `━━ ${name}: Complete, \\d+ results \\(\\d+ bytes, MD5 [0-9a-f]{32}\\)\n(.+)\n(.+)\n(.+)\n\n`,
    )
    const [, signatures = '', dropped = '', warnings = ''] = verdict.exec(output) ?? []
    assert.match(signatures, /^ {3}signatures {2}severity [23]: .*; severity 1: Creates a mutex$/)
    assert.match(dropped, /^ {3}dropped {5}readme\.txt, .*; not in CRITs: empty\.bin \(the file is empty\)$/)
    assert.match(warnings, /^ {3}warnings {4}none$/)
  }
  assert.match(output, /^4 of 4 arrived$/m)
  await assertNothingLeft(run)
})

test('--kill kills every service and the broker in the middle, and nothing is lost', async t => {
  const run = await startDemo(t, { RABBITMQ_URL: '' }, '--kill')
  assert.equal(await run.exit, 0, run.output())
  for (const victim of ['feed_cuckoo', 'RabbitMQ', 'check_results', 'parse_and_submit', 'overseer']) {
    assert.match(run.output(), new RegExp(`^kill -9 {3}${victim}\n(.*\n)*started {3}${victim}$`, 'm'))
  }
  assert.match(run.output(), /^4 of 4 arrived, 0 lost, with 5 kills on the way$/m)
  assert.deepEqual(await readdir(run.temp), [])
})

test('--kill leaves the broker of somebody else alone', async t => {
  const run = await startDemo(t, '--kill')
  assert.equal(await run.exit, 2)
  assert.match(run.output(), /unset RABBITMQ_URL/)
})

test('--fail shows four failures, the dump without its secrets, and the way back to work', async t => {
  const run = await startDemo(t, '--fail')
  assert.equal(await run.exit, 0, run.output())
  const output = run.output()
  assert.match(
    output,
    /^delivery-note\.txt {2}queued( ▸ attempt \d failed, waits 1 s){3} ▸ given up \(failed 4 times\)$/m,
  )
  assert.match(output, /^delivery-note\.txt {2}resubmitted ▸ Cuckoo 1 ▸ reported ▸ CRITs$/m)
  assert.match(output, /━━ .*: Error, 0 results \(/)
  assert.match(output, /Given up \(failed 4 times\).*status 413/)
  assert.match(output, /^\/.*\.json {2}\(mode 600, \d+ bytes\)$/m)
  assert.match(output, /^ {2}Attempts: 4$/m)
  assert.match(output, /^ {6}api_key: text of 40 characters$/m)
  assert.match(output, /^overseer --resubmitDumped: 1 resubmitted, 0 left, exit code 0$/m)
  assert.match(output, /━━ .*: Complete, \d+ results \(/)
  const [, queue = ''] = /^ {2}Queue: (.+)$/m.exec(output) ?? []
  assert.equal(await run.broker.depth(queue), undefined, 'the queues are deleted')
  assert.match(output, /^1 of 1 arrived$/m)
  await assertNothingLeft(run)
})

test('--cape --verbose --page: every row, what a CAPE finds beyond a Cuckoo, and the page until Enter', async t => {
  const run = await startDemo(t, '--cape', '--verbose', '--page')
  await waitFor(() => run.output().includes('Enter ends both'), { deadlineMs: 240_000, describe: run.output })
  const [, url = '', token = ''] = /^page {6}(\S+)#token=(\S+)$/m.exec(run.output()) ?? []
  const headers = { authorization: `Bearer ${token}`, connection: 'close' }
  const answer = await fetch(`${url}api/samples?what=1`, { headers })
  assert.match(await answer.text(), /"state":"complete"/)
  run.child.stdin?.end('\n')
  assert.equal(await run.exit, 0, run.output())
  await assert.rejects(fetch(url))
  const output = run.output()
  assert.match(output, /^CAPE +http.*stand-in/m)
  for (const name of MADE_UP) {
    assert.match(output, new RegExp(`━━ ${name}  \\d+ bytes, MD5 [0-9a-f]{32}\nStatus: Complete, \\d+ results`))
  }
  for (const subtype of ['info', 'signature', 'process', 'file', 'registry_key', 'mutex', 'file_added', 'api_call']) {
    assert.match(output, new RegExp(`^ {2}${subtype} \\(\\d+\\)$`, 'm'))
  }
  assert.match(output, /… \d+ more rows/)
  assert.match(output, /Dropped +readme\.txt/)
  // Made of what is in the file.
  assert.match(output, /2_crates_of_apples/)
  assert.match(output, /config \(\d+\)/)
  assert.match(output, /ExampleRAT/)
  assert.match(output, /junk names refuses "delivery-note\.txt"/)
  await assertNothingLeft(run)
})

test('files of the command line go to the servers that are named', async t => {
  const crits = await startCrits()
  const cuckoo = await startCuckoo()
  t.after(() => Promise.all([crits.close(), cuckoo.close()]))
  const [user] = crits.users
  const folder = await mkdtemp(join(tmpdir(), 'demo-files-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const bytes = Buffer.from('one harmless file')
  const file = join(folder, 'one.txt')
  await writeFile(file, bytes)
  const { analysisId } = runCritsService(crits, { name: 'one.txt', bytes })
  const account = ['--api-key', user?.keys[0] ?? '', '--username', user?.name ?? '']
  const servers = ['--cuckoo-url', cuckoo.url, '--crits-url', crits.url, '--analysis-id', analysisId]
  const run = await startDemo(t, ...account, ...servers, file)
  assert.equal(await run.exit, 0, run.output())
  assert.doesNotMatch(run.output(), /stand-in/)
  assert.match(run.output(), /one\.txt: see \/samples\/details\/[0-9a-f]{32}\/ in CRITs/)
  const analysis = crits.analyses.get(analysisId)
  assert.equal(analysis?.status, 'completed')
  assert.ok(analysis.results.length > 0)
  assert.deepEqual(crits.violations, [])
  // A real Cuckoo keeps its task.
  assert.deepEqual(
    [...cuckoo.tasks.values()].map(({ status }) => status),
    ['reported'],
  )
  await assertNothingLeft(run)
})

test('a sample that does not arrive makes exit code 1', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'demo-files-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'empty.bin')
  await writeFile(file, '')
  const run = await startDemo(t, file)
  assert.equal(await run.exit, 1, run.output())
  assert.match(run.output(), /empty\.bin +queued ▸ .*given up/)
  assert.match(run.output(), /^0 of 1 arrived$/m)
  await assertNothingLeft(run)
})

test('what takes longer than the deadline is given up, with nothing left behind', async t => {
  const cuckoo = await startCuckoo({ analysisTime: Number.POSITIVE_INFINITY })
  t.after(() => cuckoo.close())
  const run = await startDemo(t, '--cuckoo-url', cuckoo.url, '--deadline', '5')
  assert.equal(await run.exit, 1, run.output())
  assert.match(run.output(), /demo: not every sample has arrived within 5 s/)
  await assertNothingLeft(run)
})

test('SIGINT ends the demo in order, with nothing left behind', async t => {
  const run = await startDemo(t)
  await waitFor(() => /queued/.test(run.output()), { describe: 'the first sample to be queued' })
  run.child.kill('SIGINT')
  assert.equal(await run.exit, 130, run.output())
  assert.match(run.output(), /ended by SIGINT/)
  await assertNothingLeft(run)
})

test('a wrong argument is exit code 2 before anything is started', async t => {
  const run = await startDemo(t, '--bogus')
  assert.equal(await run.exit, 2)
  assert.match(run.output(), /^demo: .*--bogus/)
  assert.doesNotMatch(run.output(), /pid/)
})
