/** `/status`: the cluster at a glance. */
import type { FastifyInstance } from 'fastify'
import type { Files } from '../files/files.js'
import { DirectoryAwayError } from '../files/shared-directory.js'
import type { ServerContext } from '../server/context.js'
import { describeRequirement } from '../store/requirement.js'
import { statusOf } from './nodes.js'

/** Requirements that are shown with their reasons: each is a text of its client, and there may be thousands. */
const MAX_WAITING = 100
const MAX_TEXT = 300

export function statusRoutes(app: FastifyInstance, { store, files }: ServerContext): void {
  app.get('/status', async () => {
    const now = store.now()
    const nodes = await store.nodes.list()
    const { pending, submitting, processing, fetching, finished, failed } = await store.tasks.counts()
    const [oldest, cycle] = [await store.tasks.oldestPending(), await store.lastCycle()]
    const { reasons, total } = await store.tasks.waitReasons(MAX_WAITING)
    const waitingTasks = await store.tasks.pendingOf([...reasons.keys()])
    return {
      // By this a cluster knows itself, when it is to become its own node.
      instance: store.id,
      // As in the original, nodes that answered last time, and enabled ones only.
      nodes: Object.fromEntries(
        nodes.flatMap(node => (node.enabled && node.counters !== null ? [[node.name, node.counters]] : [])),
      ),
      tasks: {
        pending,
        processing: submitting + processing + fetching,
        processed: finished + failed,
        failed,
        oldest_pending: seconds(oldest),
      },
      node_states: Object.fromEntries(
        nodes.map(node => [
          node.name,
          {
            url: node.url,
            state: statusOf(node),
            kind: node.kind,
            enabled: node.enabled,
            last_seen: seconds(node.lastSeen),
            error: node.lastError,
            failures: node.failures,
            in_flight: node.inFlight,
            machines: node.machines.length,
            max_pending: node.maxPending,
          },
        ]),
      ),
      waiting: [...reasons].map(([requirement, reason]) => ({
        requirement: clipped(describeRequirement(requirement, nodes)),
        reason: clipped(reason),
        tasks: waitingTasks.get(requirement) ?? 0,
      })),
      waiting_total: total,
      dist: await shownSpace(files),
      last_cycle: seconds(cycle),
      timestamp: seconds(now),
    }
  })
}

/** A server whose directories are away has no space; operators see why. */
async function shownSpace(files: Files) {
  try {
    return { diskspace: { free: await files.freeBytes(), total: await files.totalBytes() }, problem: files.problem }
  } catch (error: unknown) {
    if (!(error instanceof DirectoryAwayError)) throw error
    return { diskspace: { free: 0, total: 0 }, problem: files.problem }
  }
}

function clipped(text: string): string {
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT)}…`
}

function seconds(time: number | null): number | null {
  return time === null ? null : Math.floor(time / 1000)
}
