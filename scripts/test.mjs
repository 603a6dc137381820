// npm test [unit|integration|fuzz|soak|release|debian]: set-up, build, lint, type check, tests. The last line is `N passed, N failed`.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { fileURLToPath } from 'node:url'
import { SetupError, setUp } from './setup.mjs'
import { withBroker } from './with-broker.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const kinds = {
  unit: { files: /\.test\.ts$/, minutes: 10 },
  integration: { files: /\.integration\.ts$/, minutes: 20, needsBroker: true },
  // The unit tests that fuzz, with twenty times as many cases.
  fuzz: { files: /^fuzz.*\.test\.ts$/, minutes: 15, env: { FUZZ_TIMES: '20' }, leastFuzzCases: 100_000 },
  // The tests of a release with the programs of all services.
  release: {
    files: /^release\.integration\.ts$/,
    minutes: 20,
    env: { RELEASE_WHOLE: '1' },
    needsBroker: true,
  },
  // On a fresh Debian of its own: root, and minutes of downloads.
  debian: { files: /\.debian\.ts$/, minutes: 30, programs: { debian: true } },
  // The integration tests that look at what a process holds, with ten times as many samples.
  soak: { files: /^resources\.integration\.ts$/, minutes: 60, env: { SOAK_SAMPLES: '10000' }, needsBroker: true },
}

/** Those that take longest begin first, so that none of them runs alone in the end. */
const LONG = [
  'test/release.integration.ts',
  'test/faults.integration.ts',
  'test/long-waits.integration.ts',
  'test/ha.integration.ts',
  'services/distributed_cuckoo/test/directories.integration.ts',
  'test/faults-cape.integration.ts',
  'test/newcomer.integration.ts',
  'test/resources.integration.ts',
  'test/page.integration.ts',
  'test/demo.integration.ts',
  'test/quorum.integration.ts',
  'services/distributed_cuckoo/test/kill.integration.ts',
  'test/shared-cause.integration.ts',
  'test/connect.integration.ts',
  'services/distributed_cuckoo/test/page.integration.ts',
  'services/distributed_cuckoo/test/database-outage.integration.ts',
  'services/distributed_cuckoo/test/retention.integration.ts',
  'services/distributed_cuckoo/test/lease.integration.ts',
  'services/parse_and_submit/test/memory.integration.ts',
  'packages/core/test/faults-broker.integration.ts',
  'services/distributed_cuckoo/test/contract.test.ts',
  'services/distributed_cuckoo/test/commands.test.ts',
  'test/docs.test.ts',
]

/** Fails a file whose tests leave something: see there. */
const LEFT_NOTHING = new URL('../packages/testing/build/src/left-nothing.js', import.meta.url).href

const asked = process.argv.slice(2)
if (asked.some(kind => !Object.hasOwn(kinds, kind))) {
  console.error(`usage: npm test [${Object.keys(kinds).join('|')}]`)
  process.exit(2)
}
const counts = await testAll(asked.length === 0 ? ['unit', 'integration'] : asked)
console.log(`${counts.passed} passed, ${counts.failed} failed`)
process.exitCode = counts.failed === 0 && counts.passed > 0 ? 0 : 1

async function testAll(wanted) {
  const total = { passed: 0, failed: 0 }
  try {
    if (wanted.some(kind => kinds[kind].needsBroker))
      setUp({
        rabbitMq: true,
        bzip2: true,
        postgres: true,
        chromium: true,
        promtool: true,
        python: true,
        systemd: true,
      })
    else setUp({ bzip2: true, ...Object.assign({}, ...wanted.map(kind => kinds[kind].programs)) })
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    console.error(error.message)
    return { ...total, failed: 1 }
  }
  for (const step of ['build', 'lint', 'typecheck']) if (!succeeds(step)) return { ...total, failed: 1 }
  // Test files run with the flags of this process.
  process.execArgv.push('--import', LEFT_NOTHING)
  for (const kind of wanted) {
    const tests = () => runTests(kind, kinds[kind])
    const { passed, failed } = kinds[kind].needsBroker ? await withBroker(tests) : await tests()
    total.passed += passed
    total.failed += failed
  }
  return total
}

/** Runs one script of package.json and prints one line about it, and its output if it failed. */
function succeeds(script) {
  const start = performance.now()
  const options = { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 64 * 1024 * 1024 }
  const { status, stdout, stderr } = spawnSync('npm', ['run', '--silent', script], options)
  const seconds = ((performance.now() - start) / 1000).toFixed(1)
  console.log(`${script.padEnd(11)} ${status === 0 ? 'ok' : 'FAILED'}  ${seconds} s`)
  if (status !== 0) console.log(stdout + stderr)
  return status === 0
}

/** Runs all test files of one kind, several at a time since they wait much, and counts. */
async function runTests(kind, { files: pattern, minutes, env = {}, needsBroker = false, leastFuzzCases = 0 }) {
  const files = testFiles(pattern)
  console.log(`\n${kind} tests: ${files.length} files`)
  if (files.length === 0) return { passed: 0, failed: 0 }
  for (const [name, value] of Object.entries(env)) process.env[name] ??= value
  // On Node 20 the time limit is for a file, on later ones for a test.
  const cores = availableParallelism()
  const events = run({
    files,
    concurrency: needsBroker ? Math.min(cores + 1, 4) : Math.min(2 * cores, 8),
    timeout: minutes * 60_000,
  })
  const counts = { passed: 0, failed: 0 }
  let fuzzCases = 0
  const count = (data, isProof) => {
    if (data.details?.type !== 'suite') counts[isProof ? 'passed' : 'failed']++
  }
  events.on('test:fail', data => count(data, false))
  events.on('test:pass', data => count(data, isProof(data)))
  events.on('test:diagnostic', ({ message }) => {
    fuzzCases += Number(/^(\d+) fuzz cases$/.exec(message)?.[1] ?? 0)
  })
  for await (const text of events.compose(new spec())) process.stdout.write(text)
  if (fuzzCases > 0) console.log(`${fuzzCases} fuzz cases in all`)
  if (fuzzCases < leastFuzzCases) counts.failed++
  return counts
}

/** A skipped test, one marked as to do and a file without tests prove nothing, so they count as failed. */
function isProof({ name, file, skip, todo }) {
  return skip === undefined && todo === undefined && resolve(root, name) !== file
}

/** Compiled test files, looked up by their sources: what was compiled from a source that is gone is not a test. */
function testFiles(pattern) {
  const projects = ['packages', 'services'].flatMap(kind => readdirSync(join(root, kind)).map(name => join(kind, name)))
  const folders = [
    ...projects.map(project => [join(project, 'test'), join(project, 'build', 'test')]),
    ['test', 'test/build'],
  ]
  const found = folders.flatMap(([sources, compiled]) => {
    const names = existsSync(join(root, sources)) ? readdirSync(join(root, sources)) : []
    return names
      .filter(name => pattern.test(name))
      .map(name => ({ source: join(sources, name), file: join(root, compiled, name.replace(/ts$/, 'js')) }))
  })
  const turn = ({ source }) => (LONG.includes(source) ? LONG.indexOf(source) : LONG.length)
  return found.sort((one, other) => turn(one) - turn(other)).map(({ file }) => file)
}
