// One cell with three servers: tasks for the nodes, one fault, and what became of the tasks.
import { setTimeout as delay } from 'node:timers/promises'
import { type PostgresOptions, WaitError, waitFor } from '@cuckoo-distributed/testing'
import { type HaRig, type Patience, startHa } from './ha-rig.js'
import { type CellTerms, describe, type Outcome } from './run-cell.js'
import type { Change } from './variant.js'

const TASKS = 60
/** Submitted before the fault. */
const BEFORE = 20
const BETWEEN_MS = 100
const SETTLED_MS = 600_000

export interface HaCell extends CellTerms {
  /** What the servers are built with. */
  readonly changes?: readonly Change[]
  /** Default: room without end. */
  readonly postgres?: PostgresOptions
  /** Analyses that may be begun in vain. Default: one for each node, as an upload may be under way there. */
  readonly repeats?: number
  /** Resolves when the fault is over and undone. What does not come within its time is a WaitError. */
  strike(rig: HaRig): Promise<void>
}

/** `patience`: how many times as long as promised is waited, on a machine that does other work as well. Default 1. */
export async function runHaCell(cell: HaCell, { patience }: Patience = { patience: 1 }): Promise<Outcome> {
  const rig = await startHa(cell.changes ?? [], { ...cell.postgres, patience })
  const unmet: string[] = []
  const over = new AbortController()
  try {
    await rig.leader()
    const probes = rig.servers.map(async server => {
      while (!over.signal.aborted) {
        if (!server.isDown) await rig.ask(server, '/task?limit=1', unmet)
        await delay(200)
      }
    })
    for (let i = 0; i < BEFORE; i += 1) await rig.submit(unmet)
    const struck = cell.strike(rig).catch((error: unknown) => {
      unmet.push(`the fault failed: ${describe(error)}`)
    })
    for (let i = BEFORE; i < TASKS; i += 1) {
      await rig.submit(unmet)
      await delay(BETWEEN_MS)
    }
    await struck
    await settled(rig, unmet)
    over.abort()
    await Promise.all(probes)
    return await judge(cell, rig, unmet)
  } finally {
    over.abort()
    await rig.close()
  }
}

interface ShownTask {
  readonly id: number
  readonly status: string
  readonly error: string | null
}

async function tasksOf(rig: HaRig, unmet: string[]): Promise<ShownTask[]> {
  for (const server of rig.servers) {
    const answer = server.isDown ? undefined : await rig.ask(server, '/task', unmet)
    if (answer?.status === 200) return Object.values(Object(await answer.json()).tasks)
  }
  return []
}

/** Waits until all tasks are finished and the nodes empty; what never comes is judged. */
async function settled(rig: HaRig, unmet: string[]): Promise<void> {
  const isSettled = async () => {
    const tasks = await tasksOf(rig, unmet)
    const isFinished = tasks.length >= rig.accepted.size && tasks.every(({ status }) => status === 'finished')
    return isFinished && rig.nodes.every(node => node.tasks.size === 0)
  }
  try {
    await waitFor(isSettled, { deadlineMs: SETTLED_MS, everyMs: 200, describe: 'all tasks to be finished' })
  } catch (error: unknown) {
    if (!(error instanceof WaitError)) throw error
  }
}

async function judge(cell: HaCell, rig: HaRig, unmet: string[]): Promise<Outcome> {
  const tasks = await tasksOf(rig, unmet)
  const known = new Map(tasks.map(task => [task.id, task]))
  const lost: string[] = []
  for (const [id, sha256] of rig.accepted) {
    const { status = 'lost', error = null } = known.get(id) ?? {}
    const flaw = status === 'finished' ? await rig.flawOf(id, sha256) : `is ${status} ${error ?? ''}`
    if (flaw !== undefined) lost.push(`task ${id}: ${flaw}`)
  }
  const limbo = tasks.filter(({ status }) => status !== 'finished').map(({ id, status }) => `task ${id} is ${status}`)
  const analyses = rig.nodes.reduce((sum, { submissions }) => sum + submissions.length, 0)
  const extra = analyses - tasks.length
  if (extra > (cell.repeats ?? rig.nodes.length)) unmet.push(`${extra} analyses more than tasks`)
  for (const [i, { tasks: left, violations }] of rig.nodes.entries()) {
    if (left.size > 0) unmet.push(`node ${i + 1} has ${left.size} tasks left`)
    unmet.push(...violations.map(({ rule, path }) => `${rule}: ${path}`))
  }
  const finishedOnce = rig.servers.flatMap(({ process }) => process.log.filter(({ msg }) => msg === 'task finished'))
  return {
    cell,
    samples: rig.accepted.size,
    finished: rig.accepted.size - lost.length,
    dumped: 0,
    lost,
    limbo,
    missingRows: [],
    doubledRows: finishedOnce.length - new Set(finishedOnce.map(({ task }) => task)).size,
    secondAnalyses: Math.max(0, extra),
    crashes: rig.servers.flatMap(({ process }) =>
      process.log.filter(({ msg }) => msg === 'crashed').map(({ msg }) => msg),
    ),
    recovery: [],
    unmet: [...new Set(unmet)],
  }
}
