// npm test [unit|integration|fuzz|soak]: set-up, build, lint, type check, tests. The last line is `N passed, N failed`.
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
  unit: { files: /\.test\.ts$/, minutes: 2 },
  integration: { files: /\.integration\.ts$/, minutes: 5, needsBroker: true },
  // The unit tests that fuzz, with twenty times as many cases.
  fuzz: { files: /^fuzz.*\.test\.ts$/, minutes: 15, env: { FUZZ_TIMES: '20' }, leastFuzzCases: 100_000 },
  // The integration tests that look at what a process holds, with ten times as many samples.
  soak: { files: /^resources\.integration\.ts$/, minutes: 60, env: { SOAK_SAMPLES: '10000' }, needsBroker: true },
}

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
    else setUp({ bzip2: true })
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    console.error(error.message)
    return { ...total, failed: 1 }
  }
  for (const step of ['build', 'lint', 'typecheck']) if (!succeeds(step)) return { ...total, failed: 1 }
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

/** Runs all test files of one kind, two or more at a time, and counts. */
async function runTests(kind, { files: pattern, minutes, env = {}, needsBroker = false, leastFuzzCases = 0 }) {
  const files = testFiles(pattern)
  console.log(`\n${kind} tests: ${files.length} files`)
  if (files.length === 0) return { passed: 0, failed: 0 }
  for (const [name, value] of Object.entries(env)) process.env[name] ??= value
  // On Node 20 the time limit is for a file, on later ones for a test.
  const events = run({
    files,
    concurrency: Math.min(availableParallelism(), needsBroker ? 2 : 8),
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
  return folders.flatMap(([sources, compiled]) => {
    const names = existsSync(join(root, sources)) ? readdirSync(join(root, sources)) : []
    return names.filter(name => pattern.test(name)).map(name => join(root, compiled, name.replace(/ts$/, 'js')))
  })
}
