/** What the server tells Prometheus of its cluster, and whether it is ready. */
import { type Figure, type Logger, Metrics, SERVICE_VERSION, serveMetrics } from '@cuckoo-distributed/core'
import { orAbort, timeLimit } from '@cuckoo-distributed/wait'
import type { DistributedConfig } from './config.js'
import { statusOf } from './distributed-api/nodes.js'
import type { Files } from './files/files.js'
import type { Store } from './store/store.js'

const STORE_LIMIT_MS = 2_000

interface Watched {
  readonly store: Store
  readonly files: Pick<Files, 'samples' | 'reports'>
  readonly log: Logger
  readonly stop: AbortSignal
}

/** Serves them until it is disposed of; undefined when `MetricsListen` is empty. Rejects with ConfigError when it cannot listen. */
export async function openMetrics(config: DistributedConfig, watched: Watched): Promise<AsyncDisposable | undefined> {
  if (config.MetricsListen === '') return undefined
  const metrics = new Metrics(SERVICE_VERSION)
  metrics.add(clusterFigures(watched.store))
  const { MetricsListen, AllowedHosts: MetricsHosts } = config
  const server = await serveMetrics({
    config: { MetricsListen, MetricsHosts },
    metrics,
    log: watched.log,
    unready: () => unreadyReasons(watched),
  })
  return {
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
      metrics[Symbol.dispose]()
    },
  }
}

function clusterFigures(store: Store): Figure[] {
  return [
    {
      name: 'nodes',
      help: 'Registered nodes, by state; `quarantined` nodes answer, but their tasks fail',
      kind: 'gauge',
      label: 'state',
      read: async () => [...NO_NODES, ...(await store.nodes.list()).map(node => [statusOf(node), 1] as const)],
    },
    {
      name: 'tasks',
      help: 'Tasks, by state',
      kind: 'gauge',
      label: 'state',
      read: async () => Object.entries(await store.tasks.counts()),
    },
    {
      name: 'oldest_pending_task_timestamp_seconds',
      help: 'When the longest-waiting pending task was submitted; missing without one',
      kind: 'gauge',
      read: async () => secondsOf(await store.tasks.oldestPending()),
    },
    {
      name: 'last_scheduler_cycle_timestamp_seconds',
      help: 'When the scheduler of the cluster last ran, in whichever process',
      kind: 'gauge',
      read: async () => secondsOf(await store.lastCycle()),
    },
  ]
}

/** A state that no node is in is zero, and not unknown. */
const NO_NODES = ['new', 'up', 'quarantined', 'unreachable', 'unauthorized', 'draining', 'disabled'].map(
  state => [state, 0] as const,
)

function secondsOf(time: number | null): number | undefined {
  return time === null ? undefined : time / 1000
}

async function unreadyReasons({ store, files, stop }: Watched): Promise<string[]> {
  const problems = [files.samples.problem, files.reports.problem].filter(problem => problem !== null)
  return [...(stop.aborted ? ['the process is stopping'] : []), ...problems, ...(await storeProblems(store))]
}

async function storeProblems(store: Store): Promise<string[]> {
  using limit = timeLimit(new AbortController().signal, STORE_LIMIT_MS, new Error('no answer in time'))
  try {
    await orAbort(store.lastCycle(), limit.signal)
    return []
  } catch {
    return ['the database does not answer']
  }
}
