/**
 * For `node --import` before a test file: fails the file, naming what is left, when its tests have ended and the process still
 * holds descriptors, timers, sockets or children, or there are files in its temporary folder, which it has for itself.
 */
import { AsyncResource } from 'node:async_hooks'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { isMainThread } from 'node:worker_threads'

/** What ends by itself does so within this time, in milliseconds. */
const GRACE_MS = 30_000

// Threads and forks inherit the flag.
if (isMainThread && process.env.LEFT_NOTHING === undefined) watch()

function watch(): void {
  process.env.LEFT_NOTHING = String(process.pid)
  const folder = mkdtempSync(join(tmpdir(), 'test-'))
  // PostgreSQL runs as another user, in a folder in there.
  chmodSync(folder, 0o711)
  process.env.TMPDIR = folder
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  const before = new Set(descriptors())
  // What collects a forgotten handle closes it, with a warning.
  const forgotten: string[] = []
  process.on('warning', ({ message }) => {
    if (message.includes('garbage collection')) forgotten.push(message)
  })
  const files = () => readdirSync(folder).map(name => `file ${name} in the temporary folder`)
  const look = () => [...left(before), ...files(), ...forgotten]
  // Hooks run in the order in which they were made: this one, the first, makes the last, which is none of its own.
  after(AsyncResource.bind(() => after(() => assertNothing(look))))
}

async function assertNothing(look: () => string[]): Promise<void> {
  const end = performance.now() + GRACE_MS
  let found = look()
  while (found.length > 0 && performance.now() < end) {
    // The driver of SQLite has a file open until its last statement is garbage.
    collect()
    await delay(100)
    found = look()
  }
  if (found.length === 0) return
  process.exitCode = 1
  console.error(`left by ${process.argv[1]}:\n  ${found.join('\n  ')}`)
  // What keeps the process would keep it until the time limit of the run.
  setTimeout(() => process.exit(1), 500).unref()
  throw new Error(`the tests have left: ${found.join(', ')}`)
}

function collect(): void {
  setFlagsFromString('--expose-gc')
  const gc: unknown = runInNewContext('gc')
  if (typeof gc === 'function') gc()
}

/** What keeps the process alive, what was opened since `before`, and the processes that are its children. */
function left(before: ReadonlySet<string>): string[] {
  const kept = process.getActiveResourcesInfo().filter(kind => !STANDARD.has(kind))
  const opened = descriptors().filter(each => !before.has(each))
  return [...kept.map(kind => `${kind} that keeps the process`), ...opened, ...children()]
}

/** Standard input and output. */
const STANDARD = new Set(['PipeWrap', 'TTYWrap'])

/**
 * Open files and sockets, as `descriptor 20, /tmp/file` or `descriptor 21, tcp port 5672`. Neither pipes, which end with the process at
 * their other end, nor what Node and libraries have for themselves.
 */
function descriptors(): string[] {
  const folder = '/proc/self/fd'
  const sockets = networkSockets()
  return readdirSync(folder).flatMap(name => {
    const target = readLink(join(folder, name))
    const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1]
    if (inode !== undefined) return sockets.has(inode) ? [`descriptor ${name}, ${sockets.get(inode)}`] : []
    return /^\/(?!proc\/\d+\/fd$|dev\/)/.test(target) ? [`descriptor ${name}, ${target}`] : []
  })
}

/** By inode (`man 5 proc_pid_net`). */
function networkSockets(): Map<string, string> {
  const known = new Map<string, string>()
  for (const protocol of ['tcp', 'tcp6', 'udp', 'udp6']) {
    for (const line of readText(`/proc/self/net/${protocol}`).split('\n').slice(1)) {
      const [, address = '', , , , , , , , inode = ''] = line.trim().split(/\s+/)
      known.set(inode, `${protocol} port ${Number.parseInt(address.split(':')[1] ?? '', 16)}`)
    }
  }
  for (const line of readText('/proc/self/net/unix').split('\n').slice(1)) {
    const [, , , , , , inode = '', path] = line.trim().split(/\s+/)
    if (path !== undefined) known.set(inode, path)
  }
  return known
}

function children(): string[] {
  return readdirSync('/proc').flatMap(pid => {
    if (!/^\d+$/.test(pid)) return []
    const [, name = '', state = '', parent = ''] =
      /^\d+ \((.*)\) (\S) (\d+) /s.exec(readText(`/proc/${pid}/stat`)) ?? []
    return Number(parent) === process.pid && state !== 'Z' ? [`process ${pid}, ${name}`] : []
  })
}

function readLink(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return '' // closed since
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // ended since
  }
}
