// Runs one compiled test file in a process of its own.
import { spawn } from 'node:child_process'
import { fileURLToPath, pathToFileURL } from 'node:url'

const here = name => fileURLToPath(new URL(name, import.meta.url))

/**
 * Resolves with `{ passed, timedOut, ms, firstFailure }`. `mutant`: `{url, start, end, replacement}`; `coverage`: a directory for
 * what V8 writes. The process and its children are killed after `timeoutMs`.
 */
export function runTest(file, { mutant, coverage, timeoutMs }) {
  const begun = performance.now()
  const loader = mutant ? ['--import', pathToFileURL(here('preload.mjs')).href] : []
  const reporter = ['--test-reporter', here('bail.mjs'), '--test-reporter-destination', 'stdout']
  const child = spawn(process.execPath, [...loader, ...reporter, file], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
    env: {
      ...process.env,
      ...(mutant && { MUTANT: JSON.stringify(mutant) }),
      ...(coverage && { NODE_V8_COVERAGE: coverage }),
    },
  })
  let output = ''
  child.stdout.on('data', chunk => {
    output = (output + chunk).slice(0, 10_000)
  })
  let timedOut = false
  const timer = setTimeout(() => {
    timedOut = true
    end()
  }, timeoutMs)
  const end = () => {
    try {
      process.kill(-child.pid, 'SIGKILL')
    } catch {
      // the whole group has ended already
    }
  }
  return new Promise(resolve => {
    child.on('exit', code => {
      clearTimeout(timer)
      end()
      const passed = code === 0 && !timedOut
      resolve({ passed, timedOut, ms: performance.now() - begun, firstFailure: output.trim().split('\n')[0] ?? '' })
    })
  })
}
