// What is half broken beside what is well: the rest must neither stall nor be burnt.
import { setTimeout as delay } from 'node:timers/promises'
import {
  type CritsStandIn,
  type FaultMatch,
  type HttpFault,
  type RunningAnalysis,
  runCritsService,
  startCrits,
  waitFor,
} from '@cuckoo-distributed/testing'
import { readDumps } from './dumps.js'
import { ENDPOINTS, script } from './endpoints.js'
import { publishConfirmed } from './publish.js'
import { QUEUES, type Rig } from './rig.js'
import type { Cell } from './run-cell.js'
import { type SandboxStandIn, startSandbox, submitTo } from './sandboxes.js'
import { SHORT_UPLOAD_PAUSE } from './variant.js'
import { allCompleted } from './verdict.js'

/** How one of two servers of a kind is broken. */
export type Breakage = 'dead' | 'hanging' | '500 on everything but its control call'

const FAMILY = 'half broken'
const HEALTHY = 20
const STUCK = 30
/** Healthy work may take this times what it takes alone, and what a busy machine adds. */
const TIMES_ALONE = 1.5
const SLACK_MS = 1500
/** All requests but the one that tells whether the server is there: its status, or what needs neither credentials nor database. */
const ALL_BUT_CONTROL: Readonly<Record<'sandbox' | 'crits', readonly FaultMatch[]>> = {
  sandbox: [{ path: /^(?!(\/apiv2)?\/cuckoo\/status)/ }],
  crits: [{ method: 'POST' }, { method: 'PATCH' }, { method: 'GET', path: /^(?!\/api\/v1\/services\/)/ }],
}

/** Messages of a broken server, queued before healthy ones. When those are through, it is mended. */
export function besideBroken(server: 'sandbox' | 'crits', breakage: Breakage): Cell {
  let aloneMs = Number.NaN
  let besideMs = Number.NaN
  return {
    fault: FAMILY,
    moment: `a ${server === 'crits' ? 'CRITs' : server} beside it: ${breakage}`,
    samples: HEALTHY,
    deadlineMs: 180_000,
    comparesTimes: true,
    async arm(rig, { after }) {
      aloneMs = await timeAlone(rig)
      const other = server === 'sandbox' ? await brokenSandbox(rig, breakage) : await brokenCrits(rig, breakage)
      after(other.close)
      return async samples => {
        const begun = performance.now()
        await allCompleted(rig.crits, samples, 100_000)
        besideMs = performance.now() - begun
        await other.mend()
        await other.ended()
      }
    },
    unmet: async () => {
      const isSlow = besideMs > TIMES_ALONE * aloneMs + SLACK_MS
      return isSlow ? [`${Math.round(besideMs)} ms beside it, ${Math.round(aloneMs)} ms alone`] : []
    },
  }
}

/** Lists of reported tasks are of no use as long as the run lasts; every task is found by views. */
export function listsFail(moment: string, fault: HttpFault): Cell {
  return {
    fault: FAMILY,
    moment,
    samples: 6,
    async arm(rig) {
      script(rig, ENDPOINTS['task list'], fault, Number.POSITIVE_INFINITY)
      return samples => allCompleted(rig.crits, samples, 100_000)
    },
  }
}

/** The user's key has expired, and is renewed after a while: no message is to blame. */
export const KEY_EXPIRED: Cell = {
  fault: FAMILY,
  moment: 'expired key of one user',
  samples: 12,
  deadlineMs: 150_000,
  async arm(rig) {
    rig.crits.faults.next({ kind: 'status', status: 401, times: Number.POSITIVE_INFINITY })
    const waits = oneWaitsForItsCause(rig)
    return async () => {
      await waits()
      await delay(3000)
      rig.crits.faults.clear()
    }
  },
}

/** Every upload of a file fails while log lines go through: a full store, a proxy in the way. No file is skipped for it. */
export function uploadsFail(moment: string, fault: HttpFault): Cell {
  return {
    fault: FAMILY,
    moment,
    samples: 4,
    mayDouble: true,
    deadlineMs: 150_000,
    // The fault may end between two files of a message: the first has then failed alone.
    variant: { service: 'parse_and_submit', changes: SHORT_UPLOAD_PAUSE },
    async arm(rig) {
      script(rig, ENDPOINTS['CRITs upload'], fault, Number.POSITIVE_INFINITY)
      const waits = oneWaitsForItsCause(rig)
      return async () => {
        await waits()
        rig.crits.faults.clear()
      }
    },
    unmet: async (rig, samples) => {
      return samples.flatMap(({ analysisId }) => {
        const log = rig.crits.analyses.get(analysisId)?.log ?? []
        const skipped = log.some(({ level, message }) => level === 'warning' && message.includes('given up'))
        return skipped ? [`a file was left out: ${analysisId}`] : []
      })
    },
  }
}

const BREAKAGES = ['dead', 'hanging', '500 on everything but its control call'] as const

export const SANDBOX_HALF_BROKEN: readonly Cell[] = [
  ...BREAKAGES.map(breakage => besideBroken('sandbox', breakage)),
  listsFail('every list 500', { kind: 'status', status: 500 }),
  listsFail('a row of every list unreadable', {
    kind: 'status',
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: '{"tasks": [{"id": "one", "status": 5}], "data": [{"id": "one", "status": 5}]}',
  }),
]

export const CRITS_HALF_BROKEN: readonly Cell[] = [
  ...BREAKAGES.map(breakage => besideBroken('crits', breakage)),
  KEY_EXPIRED,
  uploadsFail('every upload 504', { kind: 'status', status: 504 }),
  uploadsFail('every upload reset', { kind: 'resetMidUpload' }),
]

interface BrokenServer {
  mend(): Promise<unknown>
  /** Resolves when its messages have ended, in CRITs or in DumpDir. */
  ended(): Promise<void>
  close(): Promise<unknown>
}

/** Half of its messages wait for their analysis, the other half have a report that cannot be had. */
async function brokenSandbox(rig: Rig, breakage: Breakage): Promise<BrokenServer> {
  const other = await startSandbox(rig.sandbox.kind, { analysisTime: () => 10, machines: STUCK })
  const stuck: RunningAnalysis[] = []
  const bodies: Buffer[] = []
  for (let index = 0; index < STUCK; index += 1) {
    const { running, taskId } = await analysedIn(other, rig, index)
    stuck.push(running)
    bodies.push(taskMessage(other.url, taskId, running))
  }
  const repair = await breakServer(other, breakage, ALL_BUT_CONTROL.sandbox)
  const half = bodies.length >> 1
  await publishConfirmed(rig, QUEUES.check, bodies.slice(0, half))
  await publishConfirmed(rig, QUEUES.parse, bodies.slice(half))
  return { mend: repair, ended: () => allEnded(rig, rig.crits, stuck), close: () => other.close() }
}

async function brokenCrits(rig: Rig, breakage: Breakage): Promise<BrokenServer> {
  const other = await startCrits()
  const stuck: RunningAnalysis[] = []
  const bodies: Buffer[] = []
  for (let index = 0; index < STUCK; index += 1) {
    const running = runCritsService(other, { ...sampleOf(`other ${index}`), critsUrl: other.url })
    const { name, bytes } = sampleOf(`other ${index}`)
    const taskId = await submitTo(rig.sandbox, name, bytes)
    stuck.push(running)
    bodies.push(taskMessage(rig.sandbox.url, taskId, running))
  }
  const repair = await breakServer(other, breakage, ALL_BUT_CONTROL.crits)
  await publishConfirmed(rig, QUEUES.parse, bodies)
  return { mend: repair, ended: () => allEnded(rig, other, stuck), close: () => other.close() }
}

interface Breakable {
  readonly faults: { next(rule: HttpFault & { times: number; match: FaultMatch }): void; clear(): void }
  down(): Promise<void>
  up(): Promise<void>
}

/** Resolves with what mends it. */
async function breakServer(
  server: Breakable,
  breakage: Breakage,
  allButControl: readonly FaultMatch[],
): Promise<() => Promise<unknown>> {
  if (breakage === 'dead') {
    await server.down()
    return () => server.up()
  }
  const fault: HttpFault = breakage === 'hanging' ? { kind: 'hang' } : { kind: 'status', status: 500 }
  for (const match of breakage === 'hanging' ? [{}] : allButControl) {
    server.faults.next({ ...fault, times: Number.POSITIVE_INFINITY, match })
  }
  return async () => {
    server.faults.clear()
    // What hangs is answered by nobody any more.
    if (breakage === 'hanging') {
      await server.down()
      await server.up()
    }
  }
}

async function timeAlone(rig: Rig): Promise<number> {
  const samples = Array.from({ length: HEALTHY }, (_, index) => runCritsService(rig.crits, sampleOf(`alone ${index}`)))
  await publishConfirmed(
    rig,
    QUEUES.feed,
    samples.map(({ body }) => body),
  )
  const begun = performance.now()
  await allCompleted(rig.crits, samples, 100_000)
  return performance.now() - begun
}

async function allEnded(rig: Rig, crits: CritsStandIn, samples: readonly RunningAnalysis[]): Promise<void> {
  const haveEnded = async () => {
    const dumps = await readDumps(rig.dumpDir)
    return samples.every(({ analysisId }) => {
      return crits.analyses.get(analysisId)?.status === 'completed' || dumps.some(dump => dump.includes(analysisId))
    })
  }
  await waitFor(haveEnded, { deadlineMs: 120_000, everyMs: 200, describe: 'the messages of the broken server to end' })
}

let serial = 0

function sampleOf(what: string) {
  serial += 1
  return { name: `${what}.exe`, bytes: Buffer.from(`MZ half broken ${serial} ${what}`) }
}

async function analysedIn(sandbox: SandboxStandIn, rig: Rig, index: number) {
  const sample = sampleOf(`stuck ${index}`)
  const taskId = await submitTo(sandbox, sample.name, sample.bytes)
  await waitFor(() => sandbox.tasks.get(taskId)?.status === 'reported', { describe: 'a report' })
  return { running: runCritsService(rig.crits, sample), taskId }
}

function taskMessage(cuckooUrl: string, taskId: number, { critsData }: RunningAnalysis): Buffer {
  return Buffer.from(JSON.stringify({ CuckooURL: cuckooUrl, TaskId: taskId, CritsData: critsData }))
}

/** Resolves when the overseer lets one more message wait for a cause that is not its own. */
export function oneWaitsForItsCause(rig: Rig): () => Promise<void> {
  const count = () =>
    rig.services.overseer.log.filter(({ msg, code }) => msg === 'will be tried again' && code !== undefined).length
  const before = count()
  return async () => {
    await waitFor(() => count() > before, { deadlineMs: 45_000, describe: 'a message that waits for its cause' })
  }
}
