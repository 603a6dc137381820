/** Runs a built service as the process an operator would run, and reads its log. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { ProcessGuard } from './process-guard.js'
import { hasPassed } from './test-outcome.js'
import { waitFor } from './wait-for.js'

/** One line of a service's log. */
export interface LogLine {
  readonly level: string
  readonly msg: string
  readonly [field: string]: unknown
}

export interface ServiceOptions {
  /** Content of the config file, which is written with mode 0600 and given with `-config`. Without it: no such flag. */
  config?: object
  /** Further arguments. */
  args?: readonly string[]
  /** Variables on top of this process's own. */
  env?: NodeJS.ProcessEnv
  /** Working directory. Default: a temporary folder that is removed at the end. */
  cwd?: string
  /** Arguments of Node itself, such as `--max-old-space-size=64`; not for a program that has Node in it. */
  nodeArgs?: readonly string[]
}

export interface ServiceExit {
  code: number | null
  signal: NodeJS.Signals | null
}

/** What to wait for in a log: the exact message, a pattern for it, or a look at the whole line. */
export type LogMatch = string | RegExp | ((line: LogLine) => boolean)

/** The service ended although something was still expected of it; the message ends with its last output. */
export class ServiceEndedError extends Error {
  override readonly name = 'ServiceEndedError'
  readonly code = 'SERVICE_ENDED'
}

/**
 * Starts `services/<name>/dist/<name>.mjs`, or the file when `service` is a path to one: with Node if it is a script, else
 * as the program that it is. It is killed and its temporary folder removed when this process ends, in whatever way.
 * Resolves when the process exists, not when it is ready; rejects with the system's error when it cannot be started.
 */
export async function startService(service: string, options: ServiceOptions = {}): Promise<ServiceProcess> {
  const file = service.includes('/') ? service : builtService(service)
  const folder = await mkdtemp(join(tmpdir(), 'service-'))
  const guard = new ProcessGuard(folder)
  const command = /\.m?js$/.test(file) ? [process.execPath, ...(options.nodeArgs ?? []), file] : [file]
  if (options.config !== undefined) {
    const path = join(folder, 'service.conf.json')
    await writeFile(path, JSON.stringify(options.config, null, 2), { mode: 0o600 })
    command.push('-config', path)
  }
  const [program = '', ...args] = [...command, ...(options.args ?? [])]
  const child = spawn(program, args, {
    cwd: options.cwd ?? folder,
    env: { ...process.env, ...options.env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  try {
    await once(child, 'spawn')
  } catch (error: unknown) {
    await guard.release()
    throw error
  }
  return new ServiceProcess(service, child, guard)
}

/** `startService` for a test: kills what is left of the service when the test ends, and shows its last output if it failed. */
export async function spawnService(t: TestContext, service: string, options?: ServiceOptions): Promise<ServiceProcess> {
  const started = await startService(service, options)
  t.after(async () => {
    await started.kill()
    if (!hasPassed(t)) t.diagnostic(`last output of ${service}:\n${started.tail()}`)
  })
  return started
}

/** Path of the single file that `npm run build` makes of a service. */
export function builtService(name: string): string {
  return fileURLToPath(new URL(`../../../../services/${name}/dist/${name}.mjs`, import.meta.url))
}

export class ServiceProcess {
  readonly name: string
  readonly pid: number
  /** Log lines so far, oldest first. */
  readonly log: LogLine[] = []
  /** Everything printed so far, standard output and standard error, line by line as it came. */
  readonly output: string[] = []
  /** Resolves when the process has ended and all it printed has been read. */
  readonly exit: Promise<ServiceExit>
  readonly #child: ChildProcess
  #ended: ServiceExit | undefined

  /** @internal Use `startService` or `spawnService`. */
  constructor(name: string, child: ChildProcess, guard: ProcessGuard) {
    if (child.pid === undefined) throw new ServiceEndedError(`${name} could not be started`)
    this.name = name
    this.pid = child.pid
    this.#child = child
    guard.watch(child.pid)
    if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', line => this.#take(line))
    if (child.stderr !== null) createInterface({ input: child.stderr }).on('line', line => this.output.push(line))
    this.exit = once(child, 'close').then(async ([code, signal]) => {
      guard.forget(this.pid)
      this.#ended = { code, signal }
      await guard.release()
      return this.#ended
    })
  }

  /** The first log line that matches, which may have come already. Throws ServiceEndedError, or WaitError after `deadlineMs` (120,000). */
  async waitForLog(match: LogMatch, options: { deadlineMs?: number } = {}): Promise<LogLine> {
    return waitFor(
      () => {
        const line = this.log.find(line => matches(line, match))
        if (line === undefined) this.#mustRun(`before it logged ${match}`)
        return line
      },
      { ...options, describe: () => `${this.name} to log ${match}; its last output:\n${this.tail()}\n` },
    )
  }

  /** Sends a signal to the process; throws ServiceEndedError when it has ended. */
  signal(signal: NodeJS.Signals): void {
    this.#mustRun(`before ${signal} could be sent`)
    this.#child.kill(signal)
  }

  /** Ends the process as an operator would (SIGTERM), and with SIGKILL after `deadlineMs` (120,000). A second call is harmless. */
  async stop(options: { deadlineMs?: number } = {}): Promise<ServiceExit> {
    this.#child.kill('SIGTERM')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), options.deadlineMs ?? 120_000)
    const exit = await this.exit
    clearTimeout(timer)
    return exit
  }

  /** Ends the process at once (SIGKILL). Harmless when it has ended. */
  async kill(): Promise<ServiceExit> {
    this.#child.kill('SIGKILL')
    return this.exit
  }

  /** Resident memory in bytes: now, and the highest since the start or the last `resetPeak`. Linux only. */
  async rss(): Promise<{ current: number; peak: number }> {
    const status = await readFile(`/proc/${this.pid}/status`, 'utf8')
    const bytes = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1024
    return { current: bytes('VmRSS'), peak: bytes('VmHWM') }
  }

  /** Lets the peak of `rss` start anew from the current size (`man 5 proc`, clear_refs). */
  async resetPeak(): Promise<void> {
    await writeFile(`/proc/${this.pid}/clear_refs`, '5')
  }

  /** Processor time used so far, in milliseconds. Linux only; 10 ms steps. */
  async cpu(): Promise<number> {
    const stat = await readFile(`/proc/${this.pid}/stat`, 'utf8')
    // The command's name, field 2, is in brackets and may hold spaces; after it, user and system time are fields 12 and 13.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) * 10
  }

  /** The last lines of the output, 40 by default. */
  tail(lines = 40): string {
    return this.output.slice(-lines).join('\n')
  }

  #take(text: string): void {
    this.output.push(text)
    const line = parseLogLine(text)
    if (line !== undefined) this.log.push(line)
  }

  #mustRun(when: string): void {
    if (this.#ended === undefined) return
    const { code, signal } = this.#ended
    throw new ServiceEndedError(`${this.name} ended (${signal ?? `exit code ${code}`}) ${when}:\n${this.tail()}`)
  }
}

function matches(line: LogLine, match: LogMatch): boolean {
  if (typeof match === 'string') return line.msg === match
  return match instanceof RegExp ? match.test(line.msg) : match(line)
}

function parseLogLine(text: string): LogLine | undefined {
  if (!text.startsWith('{')) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return isLogLine(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isLogLine(value: unknown): value is LogLine {
  return typeof value === 'object' && value !== null && 'msg' in value && 'level' in value
}
