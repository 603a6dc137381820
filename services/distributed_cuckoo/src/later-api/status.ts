/** `/api/status`: the nodes and the numbers of tasks. */
import type { FastifyInstance } from 'fastify'
import { DirectoryAwayError, type SharedDirectory, type Space } from '../files/shared-directory.js'
import type { ServerContext } from '../server/context.js'
import type { Node } from '../store/model.js'
import type { Statistics, Tally, TallyOf } from '../store/statistics.js'

const DAY_MINUTES = 24 * 60

export function statusRoutes(app: FastifyInstance, { store, files }: ServerContext, base: string): void {
  app.get(`${base}/status`, async () => {
    const nodes = (await store.nodes.list()).filter(({ enabled, counters }) => enabled && counters !== null)
    return {
      success: true,
      nodes: Object.fromEntries(nodes.map(node => [node.name, nodeStatus(node)])),
      tasks: await countedTasks(store.statistics, store.now()),
      dist: {
        diskspace: { reports: await spaceOf(files.reports), samples: await spaceOf(files.samples) },
      },
      timestamp: Math.floor(store.now() / 1000),
    }
  })
}

/** A deleted task leaves no row, so that there is none. */
async function countedTasks(statistics: Statistics, now: number) {
  const unfinished = await statistics.unfinished()
  const ended = await statistics.ended()
  const today = await statistics.endedAfter(Math.floor(now / 60_000) - DAY_MINUTES)
  const all = (of: keyof Tally) => {
    const sum = (tallies: readonly TallyOf[]) => tallies.reduce((tasks, tally) => tasks + tally[of], 0)
    const isPending = ({ state }: TallyOf) => state === 'pending'
    return {
      pending: sum(unfinished.filter(isPending)),
      processing: sum(unfinished.filter(tally => !isPending(tally))),
      finished: ended[of],
      deleted: 0,
    }
  }
  // What is completed today is neither pending nor processed.
  const ofToday = (of: keyof Tally) => ({ pending: 0, processing: 0, finished: today[of], deleted: 0 })
  return {
    all: all('tasks'),
    prio1: all('prio1'),
    prio2: all('prio2'),
    today: ofToday('tasks'),
    today1: ofToday('prio1'),
    today2: ofToday('prio2'),
  }
}

/** What is known of the node's own status. */
function nodeStatus({ counters, machines, freeBytes, lastSeen }: Node) {
  return {
    tasks: counters,
    machines: { total: machines.length, available: Math.max(0, machines.length - (counters?.running ?? 0)) },
    diskspace: freeBytes === null ? {} : { analyses: { free: freeBytes } },
    timestamp: lastSeen === null ? null : Math.floor(lastSeen / 1000),
  }
}

/** Of a directory that is away nothing is known; the rest of the status is told all the same. */
async function spaceOf(directory: SharedDirectory): Promise<Space | null> {
  try {
    return await directory.space()
  } catch (error: unknown) {
    if (!(error instanceof DirectoryAwayError)) throw error
    return null
  }
}
