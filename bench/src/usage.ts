// Runs one piece of work in a process of its own and reads what it has used.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { bundledChild } from './bundle.js'

/** What a process has used from its start to its end. */
export interface Usage {
  /** Seconds of processor time, user and system, all threads. */
  readonly cpu: number
  /** Seconds since the start of the process. */
  readonly wall: number
  /** Most resident memory, MiB. */
  readonly peak: number
}

/** What the child has found out, with its usage. */
export interface Run<T> extends Usage {
  readonly result: T
}

/** Tells the parent: the last thing a child does. */
export function tell(result: unknown): void {
  const { user, system } = process.cpuUsage()
  const usage: Usage = { cpu: (user + system) / 1e6, wall: process.uptime(), peak: residentMiB('VmHWM') }
  process.stdout.write(JSON.stringify({ ...usage, result }))
}

/** Resident memory of this process: now (`VmRSS`), or at most so far (`VmHWM`). Linux only. */
export function residentMiB(field: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync('/proc/self/status', 'utf8')
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024
}

/** The child failed; its error output went to this process's. */
class ChildError extends Error {
  readonly code = 'CHILD_FAILED'
}

/** Runs the bundle of `children/<name>.ts`. `T` is what it tells. */
export async function runChild<T = unknown>(name: string, args: readonly string[]): Promise<Run<T>> {
  const child = spawn(process.execPath, [bundledChild(name), ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close')])
  if (code !== 0) throw new ChildError(`${name} ${args.join(' ')} ended with ${code}`)
  return JSON.parse(output)
}
