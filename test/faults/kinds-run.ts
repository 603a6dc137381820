// One cell with nodes of three kinds: tasks, kills, and each task finished once with its whole report.
import { performance } from 'node:perf_hooks'
import { startCuckoo } from '@cuckoo-distributed/testing'
import { BROKEN, type Cluster, HEALTHY, startCluster } from './cluster-rig.js'
import { allWhole, judge } from './cluster-run.js'
import { describe, type Outcome } from './run-cell.js'
import { type SandboxStandIn, startSandbox } from './sandboxes.js'

/** What these cells are called. */
export const THREE_KINDS = 'a cluster of three kinds'
const TASKS = 30

export interface KindsCell {
  readonly moment: string
  /** Requests that the CAPE allows within a second. Default: no bound. */
  readonly rate?: number
  /** Analyses at most beyond one for each task. Default 0. */
  readonly repeats?: number
  /** Strikes while the first tasks are under way; resolves when it is over. */
  strike(cluster: Cluster): Promise<void>
}

export async function runKindsCell({ moment, rate, repeats = 0, strike }: KindsCell): Promise<Outcome> {
  const cluster = await startCluster({ startNode: name => startKind(name, rate ?? null) })
  const cell = { fault: THREE_KINDS, moment, mayRepeat: repeats > 0 }
  const unmet: string[] = []
  let over = Number.POSITIVE_INFINITY
  try {
    await cluster.submit(TASKS)
    await cluster.enable([BROKEN, ...HEALTHY])
    await strike(cluster)
    over = performance.now()
    await allWhole(cluster)
  } catch (error: unknown) {
    unmet.push(`the fault failed: ${describe(error)}`)
  }
  try {
    const recovery = over < performance.now() ? [performance.now() - over] : []
    const outcome = await judge({ cell, cluster }, { unmet, recovery })
    const idle = cluster.nodes.filter(({ submissions }) => submissions.length === 0)
    const more = outcome.secondAnalyses
    return {
      ...outcome,
      unmet: [
        ...outcome.unmet,
        ...(idle.length > 0 ? [`${idle.length} nodes had no work`] : []),
        ...(more > repeats ? [`${more} samples analysed twice, in place of ${repeats}`] : []),
      ],
    }
  } finally {
    await cluster.close()
  }
}

/** Starts the node of this name. */
async function startKind(name: string, rate: number | null): Promise<SandboxStandIn> {
  const terms = { analysisTime: () => 500, machines: 2 }
  if (name === BROKEN) return startSandbox('cape', { ...terms, rate: () => rate })
  return startCuckoo({ ...terms, version: name.endsWith('1') ? '1.2' : '2.0' })
}
