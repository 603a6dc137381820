// One cell with a cluster: tasks for three nodes, one of which is half broken, and what became of them.
import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { type CuckooStandIn, type CuckooTask, waitFor } from '@cuckoo-distributed/testing'
import { BROKEN, type Cluster, type ClusterOptions, HEALTHY, startCluster } from './cluster-rig.js'
import { type CellTerms, describe, type Outcome } from './run-cell.js'
import type { SandboxStandIn } from './sandboxes.js'

const TASKS = 30
/** Submitted when the node is mended. */
const AFTERWARDS = 6
/** Healthy work may take this times what it takes alone, and what a busy machine adds. */
const TIMES_ALONE = 1.5
const SLACK_MS = 1500
const NODE_UNWELL = 'the node is'

export interface ClusterCell extends CellTerms, ClusterOptions {
  /** What `GET /node` may call the half broken node but `up`. */
  readonly states?: readonly string[]
  /** Scripts what each node does from the beginning, and the broken one again when it is mended. */
  prepares?(node: CuckooStandIn): void
  /** Scripts what breaks the node, which has no task yet. */
  breaks(node: CuckooStandIn): void
  /** Resolves when the fault has shown itself and may end, with what was not as it should be, in words. */
  lasts(cluster: Cluster, ids: readonly number[]): Promise<string[]>
}

/** A task that has ended, as it was seen first. */
interface End {
  readonly at: number
  readonly node: string | null
}

export async function runClusterCell(cell: ClusterCell): Promise<Outcome> {
  const cluster = await startCluster(cell)
  try {
    for (const node of cluster.nodes) if (node.kind === 'cuckoo') cell.prepares?.(node)
    const aloneMs = await timesAlone(cluster)
    const ids = await cluster.submit(TASKS)
    cell.breaks(cluster.broken)
    const watched = watch(cluster, ids)
    const begun = performance.now()
    await cluster.enable([BROKEN, ...HEALTHY])
    const { unmet, over } = await strike(cell, cluster, ids)
    const { ends, states } = await watched.ended()
    const besideMs = [...ends.values()].filter(isOfHealthy).map(({ at }) => at - begun)
    const firsts = ids.length - tasksOf(cluster, ids)
    unmet.push(...slowness(aloneMs, besideMs, firsts), ...strangeStates(cell, states), ...repeated(cluster))
    const recovery = [...ends].flatMap(([id, { at }]) => (ids.includes(id) && at > over ? [at - over] : []))
    return await judge({ cell, cluster }, { unmet, recovery })
  } finally {
    await cluster.close()
  }
}

/** Lets the fault last, ends it, and waits until everything is well; resolves with when it ended, and what was not as it should be. */
async function strike(cell: ClusterCell, cluster: Cluster, ids: readonly number[]) {
  const unmet: string[] = []
  let over = Number.POSITIVE_INFINITY
  try {
    unmet.push(...(await cell.lasts(cluster, ids)))
    over = performance.now()
    cluster.broken.faults.clear()
    cell.prepares?.(cluster.broken)
    await cluster.submit(AFTERWARDS)
    await allWhole(cluster, { submitsMore: true })
  } catch (error: unknown) {
    unmet.push(`the fault failed: ${describe(error)}`)
  }
  return { unmet, over }
}

/** In ascending order, the milliseconds that each of as many tasks takes on the two healthy nodes alone. */
async function timesAlone(cluster: Cluster): Promise<number[]> {
  const watched = watch(cluster, await cluster.submit(TASKS))
  const begun = performance.now()
  await cluster.enable(HEALTHY)
  await allWhole(cluster)
  await cluster.enable(HEALTHY, false)
  const { ends } = await watched.ended()
  return [...ends.values()].map(({ at }) => at - begun)
}

/** The healthy nodes must be done with as many tasks as were never given to the other about as soon as they are alone. */
function slowness(aloneMs: readonly number[], besideMs: readonly number[], tasks: number): string[] {
  const [alone = Number.NaN, beside = Number.NaN] = [aloneMs[tasks - 1], besideMs[tasks - 1]]
  if (beside <= TIMES_ALONE * alone + SLACK_MS) return []
  return [`${tasks} tasks: ${Math.round(beside)} ms beside it, ${Math.round(alone)} ms alone`]
}

function strangeStates({ states: allowed = [] }: ClusterCell, seen: ReadonlyMap<string, ReadonlySet<string>>) {
  return [...seen].flatMap(([name, states]) => {
    const usual = ['disabled', 'new', 'up', ...(name === BROKEN ? allowed : [])]
    const strange = [...states].filter(state => !usual.includes(state))
    return strange.length === 0 ? [] : [`node ${name} was ${strange.join(', ')}`]
  })
}

function isOfHealthy({ node }: End): boolean {
  return node !== BROKEN
}

/** How many of these tasks the half broken node was given. */
function tasksOf({ broken, samples }: Cluster, ids: readonly number[]): number {
  const given = new Set(broken.submissions.map(({ sample }) => sample.sha256))
  return ids.filter(id => given.has(samples.get(id) ?? '')).length
}

/** Looks at tasks and nodes all the time, until its `ended` is called. */
function watch(cluster: Cluster, ids: readonly number[]) {
  const ends = new Map<number, End>()
  const states = new Map<string, Set<string>>()
  let isOver = false
  const look = async () => {
    for (const { id, status, node } of await cluster.tasks()) {
      const isNews = status === 'finished' && id >= Math.min(...ids) && !ends.has(id)
      if (isNews) ends.set(id, { at: performance.now(), node })
    }
    for (const name of [BROKEN, ...HEALTHY]) {
      const { state } = await cluster.node(name)
      states.set(name, (states.get(name) ?? new Set()).add(state))
    }
  }
  const looking = (async () => {
    for (; !isOver; await delay(20)) await look()
    await look()
  })()
  // It is heard of by whoever waits for the end.
  looking.catch(() => {})
  const ended = async () => {
    isOver = true
    await looking
    return { ends, states }
  }
  return { ended }
}

/**
 * Waits until each task is finished and misses no report, the nodes are empty, and the one that was broken is well. With `submitsMore`
 * there is a new task whenever all are finished: a node in quarantine shows by a task that it works again.
 */
export async function allWhole(cluster: Cluster, { submitsMore = false } = {}): Promise<void> {
  let problem: string | undefined
  const look = async () => {
    problem = await unwell(cluster)
    if (submitsMore && problem?.startsWith(NODE_UNWELL)) await cluster.submit(1)
    return problem === undefined
  }
  await waitFor(look, { deadlineMs: 90_000, everyMs: 100, describe: () => `everything to be well: ${problem}` })
}

async function unwell(cluster: Cluster): Promise<string | undefined> {
  const open = (await cluster.tasks()).find(({ status }) => status !== 'finished')
  if (open !== undefined) return `task ${open.id} is ${open.status}`
  const left = cluster.nodes.findIndex(({ tasks }) => tasks.size > 0)
  if (left >= 0) return `node ${left + 1} has a task`
  for (const id of cluster.samples.keys()) {
    const missing = Object.keys((await cluster.task(id)).missing_reports ?? {})
    if (missing.length > 0) return `task ${id} misses ${missing}`
  }
  const { state, error } = await cluster.node(BROKEN)
  return ['up', 'disabled', 'new'].includes(state) && error === null ? undefined : `${NODE_UNWELL} ${state}: ${error}`
}

export async function judge(
  { cell, cluster }: { readonly cell: CellTerms; readonly cluster: Cluster },
  { unmet, recovery }: { readonly unmet: readonly string[]; readonly recovery: readonly number[] },
): Promise<Outcome> {
  const tasks = await cluster.tasks()
  const lost: string[] = []
  for (const { id, status } of tasks) {
    const flaw = status === 'finished' ? await cluster.flawOf(id) : `is ${status}`
    if (flaw !== undefined) lost.push(`task ${id}: ${flaw}`)
  }
  const ends = cluster.log.filter(({ msg, late }) => msg === 'task finished' && late === false)
  const starts = startsOf(cluster.nodes)
  return {
    cell,
    samples: tasks.length,
    finished: tasks.length - lost.length,
    dumped: 0,
    lost,
    limbo: [],
    missingRows: [],
    doubledRows: ends.length - new Set(ends.map(({ task }) => task)).size,
    secondAnalyses: starts.length - new Set(starts.map(({ sample }) => sample.sha256)).size,
    crashes: cluster.crashes,
    recovery: recovery.toSorted((a, b) => a - b),
    unmet: [...unmet, ...(await deletedTooSoon(cluster)), ...violations(cluster)],
  }
}

/** All analyses; of one that was recovered only what the node went on with. */
function startsOf(nodes: readonly SandboxStandIn[]): CuckooTask[] {
  return nodes
    .flatMap(({ submissions }) => submissions)
    .filter(({ history }) => !history.some(({ status }) => status === 'recovered'))
}

/** What was deleted on a node before its reports were stored here. */
async function deletedTooSoon(cluster: Cluster): Promise<string[]> {
  const { nodes, samples } = cluster
  const ids = new Map([...samples].map(([id, sha256]) => [sha256, id]))
  const found: string[] = []
  for (const { sample, history } of startsOf(nodes)) {
    const id = ids.get(sample.sha256) ?? Number.NaN
    const deletion = history.find(({ status }) => status === 'deleted')
    if (deletion !== undefined && deletion.at.getTime() < Math.floor(await cluster.storedAt(id)))
      found.push(`task ${id} was deleted on a node before its report was here`)
  }
  return found
}

/** A task goes to another node when the first has failed it: so to none twice, and to one healthy node at most. */
function repeated({ nodes, broken }: Cluster): string[] {
  const healthy = nodes.filter(node => node !== broken)
  return [[broken], healthy].flatMap(group => {
    const analysed = group.flatMap(({ submissions }) => submissions.map(({ sample }) => sample.sha256))
    const twice = analysed.filter((sha256, index) => analysed.indexOf(sha256) < index)
    return twice.map(sha256 => `analysed twice by ${group === healthy ? 'healthy nodes' : 'one node'}: ${sha256}`)
  })
}

function violations({ nodes }: Cluster): string[] {
  return nodes.flatMap(node => node.violations.map(({ rule, path }) => `${rule}: ${path}`))
}
