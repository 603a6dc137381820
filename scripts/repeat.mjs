// npm run test:repeat -- FILE [TIMES]: one test file again and again while every core is busy, to find a test that depends on luck.
import { fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { compiledTest } from './compiled-test.mjs'
import { runTest } from './run-test.mjs'
import { withBroker } from './with-broker.mjs'

const TIMEOUT_MS = 10 * 60_000

if (process.argv[2] === '--busy') for (;;) Math.random()

const file = compiledTest(process.argv[2])
const times = Number(process.argv[3] ?? 20)
if (file === undefined || !Number.isSafeInteger(times) || times < 1) {
  console.error(
    'usage: npm run test:repeat -- FILE [TIMES]; FILE is a test source such as packages/core/test/config.test.ts',
  )
  process.exit(2)
}
const burners = Array.from({ length: availableParallelism() }, () => fork(fileURLToPath(import.meta.url), ['--busy']))
let failed = 0
try {
  const runAll = async () => {
    for (let run = 1; run <= times; run += 1) {
      const { passed, ms, firstFailure } = await runTest(file, { timeoutMs: TIMEOUT_MS })
      if (!passed) failed += 1
      console.log(`${run}  ${passed ? 'passed' : `FAILED: ${firstFailure}`}  ${(ms / 1000).toFixed(1)} s`)
    }
  }
  await (file.endsWith('.integration.js') ? withBroker(runAll) : runAll())
} finally {
  for (const burner of burners) burner.kill('SIGKILL')
}
console.log(`${times - failed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
