// A dump directory that cannot be written to while messages are to be dumped, and an overseer that dies of it.
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rename, rm, rmdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { errorCode, toError } from '@cuckoo-distributed/core'
import type { Cell, Run } from './run-cell.js'
import { failAnalyses } from './sandbox-cells.js'

const run = promisify(execFile)

/** Breaks a directory and resolves with what mends it. */
type Failure = (dir: string, after: Run['after']) => Promise<() => Promise<unknown>>

const FILE_SYSTEM_BYTES = 64 * 1024

const FAILURES = {
  /** A file stands in its place. */
  async gone(dir) {
    const away = `${dir}.away`
    await rename(dir, away)
    await standIn(dir)
    return async () => {
      await rm(dir)
      await rename(away, dir)
    }
  },
  async full(dir, after) {
    await mountSmall(dir, after)
    const filler = join(dir, '.filler')
    await writeFile(filler, Buffer.alloc(2 * FILE_SYSTEM_BYTES)).catch((error: unknown) => {
      if (errorCode(toError(error)) !== 'ENOSPC') throw error
    })
    return () => rm(filler)
  },
  async 'read-only'(dir, after) {
    await mountSmall(dir, after)
    await run('mount', ['-o', 'remount,ro', dir])
    return () => run('mount', ['-o', 'remount,rw', dir])
  },
} as const satisfies Record<string, Failure>

export type DumpDirFailure = keyof typeof FAILURES

/** The overseer meets a directory that fails; then it is mended and the overseer ends. */
export function dumpDirFails(failure: DumpDirFailure, action: 'SIGKILL' | 'SIGTERM'): Cell {
  return {
    fault: `DumpDir ${failure}`,
    moment: `mid-dump, ${action}`,
    mayDump: true,
    async arm(rig, { after }) {
      failAnalyses(rig, after)
      const noticed = rig.services.overseer.nextLog(/DumpDir cannot be written to/)
      const mend = await FAILURES[failure](rig.dumpDir, after)
      return async () => {
        await noticed()
        // Mended only when it dies: a killed overseer has nothing in place yet, and a new one needs a sound directory.
        const ending = rig.services.overseer.end(action)
        await mend()
        await ending
      }
    },
  }
}

/** Puts a file there. The overseer may have made the directory anew meanwhile. */
async function standIn(dir: string): Promise<void> {
  for (;;) {
    try {
      return await writeFile(dir, 'not a directory')
    } catch (error: unknown) {
      if (errorCode(toError(error)) !== 'EISDIR') throw error
      await rm(dir, { recursive: true, force: true })
    }
  }
}

/** Full and read-only directories are file systems of their own, which only root can mount. */
export async function canMount(): Promise<boolean> {
  const dir = await mkdtemp(join(tmpdir(), 'mount-'))
  try {
    await run('mount', ['-t', 'tmpfs', 'tmpfs', dir])
    await run('umount', [dir])
    return true
  } catch {
    return false
  } finally {
    await rmdir(dir)
  }
}

async function mountSmall(dir: string, after: Run['after']): Promise<void> {
  await mkdir(dir, { recursive: true })
  await run('mount', ['-t', 'tmpfs', '-o', `size=${FILE_SYSTEM_BYTES},mode=700`, 'tmpfs', dir])
  // The overseer may have its journal there, open until it ends.
  after(() => run('umount', ['--lazy', dir]))
}
