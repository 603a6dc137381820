// A cluster of a Cuckoo 1.2, a 2.0 and a CAPE, whose server and nodes are killed, and a CAPE that throttles.
import { setTimeout as delay } from 'node:timers/promises'
import { type CuckooTask, waitFor } from '@cuckoo-distributed/testing'
import type { Cluster } from './cluster-rig.js'
import type { KindsCell } from './kinds-run.js'
import type { SandboxStandIn } from './sandboxes.js'

/** Requests that the CAPE allows within a second where it throttles: a task takes about six. */
const RATE = 8
const AWAY_MS = 2000
/** Longer than `NodeTimeout`. */
const LONG_AWAY_MS = 6000

export type NodeKind = 'Cuckoo 1.2' | 'Cuckoo 2.0' | 'CAPE'

const INDEX: Readonly<Record<NodeKind, number>> = { CAPE: 0, 'Cuckoo 1.2': 1, 'Cuckoo 2.0': 2 }
const KINDS: readonly NodeKind[] = ['Cuckoo 1.2', 'Cuckoo 2.0', 'CAPE']

/** The moments at which a server is killed, at the paths of any kind. */
const UPLOAD = /\/tasks\/create\/file/
const REPORT = /\/report\/\d+\/json\/?$/
const DELETION = /\/tasks\/delete\//

/** The server dies in the middle of an upload, a report and a deletion of one node, and is started again each time. */
function serverKilled(kind: NodeKind): KindsCell {
  return {
    moment: `server killed at an upload, a report and a deletion of the ${kind}`,
    // The node may get to the upload after the kill.
    repeats: 3,
    async strike(cluster) {
      const node = nodeOf(cluster, kind)
      for (const path of [UPLOAD, REPORT, DELETION]) {
        node.faults.next({ kind: 'slow', milliseconds: 1000, match: { path } })
        await waitFor(() => node.faults.pending === 0, { everyMs: 5, describe: `${path}` })
        await cluster.kill()
        await cluster.submit(3)
      }
    },
  }
}

/** A node dies with what it runs, which it begins again under other numbers. */
function nodeKilled(kind: NodeKind, awayMs: number): KindsCell {
  const isLong = awayMs > AWAY_MS
  return {
    moment: `the ${kind} killed, ${isLong ? 'and back when its tasks are elsewhere' : 'and back soon'}`,
    // Those that it had.
    repeats: isLong ? 30 : 0,
    async strike(cluster) {
      const node = nodeOf(cluster, kind)
      const running = await runningOn(node)
      await node.down()
      for (const { id } of running) node.reschedule(id)
      await delay(awayMs)
      await node.up()
    },
  }
}

/** The answers to uploads are lost, and the server dies before it can look for the tasks. */
const ANSWERS_LOST: KindsCell = {
  moment: 'server killed when the answer to an upload is lost, with each kind',
  async strike(cluster) {
    for (const kind of KINDS) {
      const { faults } = nodeOf(cluster, kind)
      faults.next({ kind: 'lostAfterStore', match: { path: UPLOAD } })
      await cluster.submit(6)
      await waitFor(() => faults.pending === 0, { everyMs: 5, describe: 'an upload' })
      await cluster.kill()
    }
  },
}

const THROTTLED: KindsCell = {
  moment: 'a CAPE that throttles, and the server killed meanwhile',
  rate: RATE,
  repeats: 3,
  async strike(cluster) {
    const { journal } = nodeOf(cluster, 'CAPE')
    const refused = () => journal.filter(({ status }) => status === 429).length
    await waitFor(() => refused() > 0, { describe: 'a request to be refused' })
    await cluster.kill()
    const before = refused()
    await waitFor(() => refused() > before, { describe: 'another one to be refused' })
  },
}

/** Somebody starts what a CAPE runs again by its API. */
const RESCHEDULED: KindsCell = {
  moment: 'tasks of the CAPE started again by its API',
  async strike(cluster) {
    const node = nodeOf(cluster, 'CAPE')
    if (node.kind !== 'cape') throw new RangeError('the node is no CAPE')
    for (const { id } of await runningOn(node)) node.rescheduleByApi(id)
  },
}

export const KINDS_CELLS: readonly KindsCell[] = [
  ...KINDS.map(serverKilled),
  ANSWERS_LOST,
  ...KINDS.map(kind => nodeKilled(kind, AWAY_MS)),
  nodeKilled('CAPE', LONG_AWAY_MS),
  THROTTLED,
  RESCHEDULED,
]

function nodeOf({ nodes }: Cluster, kind: NodeKind): SandboxStandIn {
  const node = nodes[INDEX[kind]]
  if (node === undefined) throw new RangeError(`no node is a ${kind}`)
  return node
}

async function runningOn(node: SandboxStandIn): Promise<CuckooTask[]> {
  const running = () => [...node.tasks.values()].filter(({ status }) => status === 'running')
  await waitFor(() => running().length > 0, { everyMs: 5, describe: 'a task to run' })
  return running()
}
