// npm run test:repeat -- FILE [TIMES]: one test file again and again while every core is busy, to find a test that depends on luck.
import { fork } from 'node:child_process'
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runTest } from './mutation/run-test.mjs'
import { withBroker } from './with-broker.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const TIMEOUT_MS = 10 * 60_000

if (process.argv[2] === '--busy') for (;;) Math.random()

const file = compiled(process.argv[2])
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

/** `packages/x/test/a.test.ts` is compiled to `packages/x/build/test/a.test.js`, `test/a.test.ts` to `test/build/a.test.js`. */
function compiled(source) {
  if (source === undefined) return undefined
  const path = relative(root, resolve(source)).replace(/\.ts$/, '.js')
  const file = path.startsWith('test/') ? path.replace('test/', 'test/build/') : path.replace('/test/', '/build/test/')
  return existsSync(join(root, file)) ? join(root, file) : undefined
}
