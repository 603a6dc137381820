// Runs one compiled test file in a process of its own, to its first failure.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { ownGroup } from './own-group.mjs'

/**
 * Resolves with `{ passed, timedOut, ms, firstFailure }`. The process and its children are killed after `timeoutMs`, and its temporary files removed.
 */
export function runTest(file, { timeoutMs }) {
  const begun = performance.now()
  const { child, end } = ownGroup(options => {
    return spawn(process.execPath, ['--test-reporter=tap', file], { ...options, stdio: ['ignore', 'pipe', 'ignore'] })
  })
  let firstFailure
  createInterface({ input: child.stdout }).on('line', line => {
    firstFailure ??= /^\s*not ok \d+ - (?<name>(?!.*# TODO).*)/.exec(line)?.groups.name
    if (firstFailure !== undefined) end()
  })
  let timedOut = false
  const timer = setTimeout(() => {
    timedOut = true
    end()
  }, timeoutMs)
  return new Promise(resolve => {
    child.on('exit', code => {
      clearTimeout(timer)
      const passed = code === 0 && !timedOut
      resolve({ passed, timedOut, ms: performance.now() - begun, firstFailure: firstFailure ?? '' })
    })
  })
}
