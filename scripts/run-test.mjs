// Runs one compiled test file in a process of its own, to its first failure.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/**
 * Resolves with `{ passed, timedOut, ms, firstFailure }`. The process and its children are killed after `timeoutMs`, and its temporary files removed.
 */
export function runTest(file, { timeoutMs }) {
  const begun = performance.now()
  // Short, as sockets have their place in it.
  const temporary = mkdtempSync(join(tmpdir(), 'm-'))
  const child = spawn(process.execPath, ['--test-reporter=tap', file], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, TMPDIR: temporary },
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
      rmSync(temporary, { recursive: true, force: true, maxRetries: 3 })
      const passed = code === 0 && !timedOut
      resolve({ passed, timedOut, ms: performance.now() - begun, firstFailure: firstFailure ?? '' })
    })
  })
}
