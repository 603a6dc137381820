import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * `start` gets the options for a process with a group, and a folder for temporary files, of its own. `end` kills the group and removes the
 * folder, which also happens when the process ends.
 */
export function ownGroup(start) {
  // Short, as sockets have their place in it.
  const temporary = mkdtempSync(join(tmpdir(), 'm-'))
  const child = start({ detached: true, env: { ...process.env, TMPDIR: temporary } })
  const end = () => {
    try {
      process.kill(-child.pid, 'SIGKILL')
    } catch {
      // the whole group has ended already
    }
    rmSync(temporary, { recursive: true, force: true, maxRetries: 3 })
  }
  child.on('exit', end)
  return { child, end }
}
