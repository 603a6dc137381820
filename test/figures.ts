// What a running service holds: memory after a collection, handles, listeners. Asked from outside, of the built file.
import assert from 'node:assert/strict'
import { readdir, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { type ServiceProcess, waitFor } from '@cuckoo-distributed/testing'

/** What a process holds when it has nothing to do. */
export interface Figures {
  /** Bytes of objects that a collection leaves. */
  readonly heap: number
  /** Bytes of buffers and of what libraries hold outside of the heap. */
  readonly outside: number
  /** Resident bytes. */
  readonly rss: number
  /** Open file descriptors, sockets among them. */
  readonly descriptors: number
  readonly sockets: number
  /** Timers, sockets and requests that Node keeps the process alive for, the fewest within a second. */
  readonly resources: number
}

const COLLECT_AND_TELL = `
process.on('SIGUSR2', async () => {
  for (let round = 0; round < 4; round += 1) {
    gc()
    await new Promise(resolve => setImmediate(resolve))
  }
  const { heapUsed, external } = process.memoryUsage()
  // Requests come and go; what stays is there at every look.
  let resources = Infinity
  for (let look = 0; look < 20; look += 1) {
    resources = Math.min(resources, process.getActiveResourcesInfo().length)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  process.stdout.write(JSON.stringify({ level: 'info', msg: 'figures', heapUsed, external, resources }) + '\\n')
})`

/** Arguments of Node for a service that is to tell its figures. */
export const TELLING: readonly string[] = [
  '--expose-gc',
  '--import',
  `data:text/javascript,${encodeURIComponent(COLLECT_AND_TELL)}`,
]

/**
 * The figures of a service that was started with `TELLING`, once it has come to rest: it uses no more than `busyMs` of
 * processor time in half a second.
 */
export async function figuresOf(service: ServiceProcess, busyMs = 50): Promise<Figures> {
  await atRest(service, busyMs)
  const told = () => service.log.filter(line => line.msg === 'figures')
  const before = told().length
  service.signal('SIGUSR2')
  const line = await waitFor(() => told()[before], { describe: `the figures of ${service.name}` })
  const [rss, links] = await Promise.all([service.rss(), descriptorsOf(service.pid)])
  return {
    heap: Number(line.heapUsed),
    outside: Number(line.external),
    rss: rss.current,
    descriptors: links.length,
    sockets: links.filter(link => link.startsWith('socket:')).length,
    resources: Number(line.resources),
  }
}

/** Waits until a service has used no more than this much processor time in half a second. */
async function atRest(service: ServiceProcess, busyMs: number): Promise<void> {
  let [since, used] = [Date.now(), await service.cpu()]
  await waitFor(
    async () => {
      const now = await service.cpu()
      if (now - used > busyMs) [since, used] = [Date.now(), now]
      return Date.now() - since >= 500
    },
    { everyMs: 50, describe: `${service.name} to come to rest` },
  )
}

async function descriptorsOf(pid: number): Promise<string[]> {
  const folder = `/proc/${pid}/fd`
  const links = (await readdir(folder)).map(name => readlink(join(folder, name)).catch(() => ''))
  return (await Promise.all(links)).filter(link => link !== '')
}

/** What a service may hold more after a stretch of work than before it. */
export interface Allowance {
  /** Bytes of the heap and outside of it. */
  readonly bytes: number
  readonly rss: number
}

/** Nothing has grown between two looks beyond what is allowed, and Node has complained of no leak. */
export function assertFlat(service: ServiceProcess, before: Figures, after: Figures, allowed: Allowance): void {
  const story = `${service.name}: ${JSON.stringify(before)} became ${JSON.stringify(after)}`
  assert.ok(after.heap + after.outside - before.heap - before.outside <= allowed.bytes, `memory grows, ${story}`)
  assert.ok(after.rss - before.rss <= allowed.rss, `resident memory grows, ${story}`)
  // A connection to a server may be open or closed at the moment.
  assert.ok(after.descriptors - before.descriptors <= 2, `descriptors stay open, ${story}`)
  assert.ok(after.sockets - before.sockets <= 2, `sockets stay open, ${story}`)
  assert.ok(after.resources - before.resources <= 4, `timers or requests stay, ${story}`)
  const warnings = service.output.filter(line => /MaxListenersExceeded|possible .*leak/i.test(line))
  assert.deepEqual(warnings, [])
}
