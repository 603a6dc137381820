/** `/cuckoo/status` and `/machines/list`: the cluster as one Cuckoo. */
import type { Files } from '../files/files.js'
import type { Node } from '../store/model.js'
import type { Store } from '../store/store.js'

/** Not the version of any Cuckoo, as what is special about those does not hold here. */
const VERSION = '2.0-distributed'

export async function statusJson({ store, files }: { readonly store: Store; readonly files: Files }) {
  const nodes = (await store.nodes.list()).filter(({ enabled }) => enabled)
  const counts = await store.tasks.counts()
  const waiting = nodes.reduce((sum, { counters }) => sum + (counters?.pending ?? 0), 0)
  const machines = nodes.reduce((sum, node) => sum + node.machines.length, 0)
  const busy = nodes.reduce((sum, { counters }) => sum + (counters?.running ?? 0), 0)
  const { pending, submitting, processing, fetching, finished, failed } = counts
  const total = await files.totalBytes()
  const own = await files.freeBytes()
  return {
    version: VERSION,
    hostname: 'distributed_cuckoo',
    // By which a cluster knows itself when somebody registers it as its own node.
    instance: store.id,
    tasks: {
      total: pending + submitting + processing + fetching + finished + failed,
      pending: pending + submitting + waiting,
      running: processing,
      completed: fetching,
      reported: finished,
    },
    machines: { total: machines, available: Math.max(0, machines - busy) },
    diskspace: { analyses: { free: Math.min(own, bestFree(nodes) ?? own), total, used: total - own } },
    cpuload: [],
  }
}

/** The node with the most space takes the next tasks if the others are full; those that do not tell do not count. */
function bestFree(nodes: readonly Node[]): number | undefined {
  const known = nodes.flatMap(({ state, freeBytes }) => (state === 'up' && freeBytes !== null ? [freeBytes] : []))
  return known.length === 0 ? undefined : Math.max(...known)
}

/** The machines of all enabled nodes. What nodes do not tell, or what means nothing from outside, is null. */
export async function machinesJson(store: Store) {
  const nodes = (await store.nodes.list()).filter(({ enabled }) => enabled)
  const machines = nodes.flatMap(node => node.machines.map(machine => ({ node: node.name, ...machine })))
  return machines.map(({ node, name, platform, tags }, index) => ({
    id: index + 1,
    name,
    label: name,
    platform,
    tags,
    node,
    ip: null,
    interface: null,
    snapshot: null,
    locked: false,
    locked_changed_on: null,
    status: null,
    status_changed_on: null,
    resultserver_ip: null,
    resultserver_port: null,
  }))
}
