/** Ends started processes and removes their folder when this process ends, in whatever way it ends. */
import { type ChildProcess, spawn } from 'node:child_process'
import { Socket } from 'node:net'

// Reads lists of process groups, one list a line, the last one counts. The end of its input is the end of its owner:
// the kernel closes that pipe after SIGKILL too, where no exit handler runs. A killed process can live on for a moment
// and write into the folder, so the groups are waited for, but not for ever (nobody may be there to reap them).
const script = `
groups=
while read -r line; do groups=$line; done
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
for group in $groups; do
  tries=0
  while [ $tries -lt 40 ] && kill -s 0 -- "-$group" 2>/dev/null; do tries=$((tries + 1)); sleep 0.05; done
done
rm -rf -- "$1"
`

/**
 * A small shell process beside ours that outlives us just long enough to clean up.
 * Processes must be started `detached`, so that each leads its own process group.
 */
export class ProcessGuard {
  readonly #shell: ChildProcess
  readonly #groups = new Set<number>()
  readonly #ended: Promise<void>

  /** Guards `folder`: it is removed with everything in it when the guard is released or this process ends. */
  constructor(folder: string) {
    this.#shell = spawn('/bin/sh', ['-c', script, 'process-guard', folder], {
      cwd: '/',
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    this.#ended = new Promise((resolve, reject) => {
      this.#shell.once('close', () => resolve())
      this.#shell.once('error', reject)
    })
    this.#ended.catch(() => {})
    this.#shell.stdin?.on('error', () => {})
    this.#shell.unref()
    if (this.#shell.stdin instanceof Socket) this.#shell.stdin.unref()
  }

  /** From now on the process group led by `pid` is killed at the end. */
  watch(pid: number): void {
    this.#groups.add(pid)
    this.#tell()
  }

  /** The group led by `pid` has ended by itself; its number may belong to somebody else soon. */
  forget(pid: number): void {
    this.#groups.delete(pid)
    this.#tell()
  }

  /** Kills what is still watched, removes the folder, and resolves when both are done. */
  async release(): Promise<void> {
    this.#shell.ref()
    this.#shell.stdin?.end()
    await this.#ended
  }

  #tell(): void {
    if (this.#shell.stdin?.writable) this.#shell.stdin.write(`${[...this.#groups].join(' ')}\n`)
  }
}
