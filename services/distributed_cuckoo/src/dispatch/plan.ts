/** Which pending task goes to which node next. Pure: a plan is drawn anew whenever something changes, and stored nowhere. */
import type { Candidate } from '../nodes/node-worker.js'
import type { Machine, Task } from '../store/model.js'
import { describeRequirement, machinesFor, pinOf } from '../store/requirement.js'

/** Pending tasks that can run on the same nodes, in the order in which they are to be sent. */
export interface Demand {
  readonly requirement: string
  readonly tasks: readonly Task[]
}

export interface PlanLimits {
  /** Tasks that may wait on a node. */
  readonly threshold: number
  /** Tasks that the plan may give to one node. */
  readonly perNode: number
}

export interface Plan {
  /** By node id, in the order in which they are to be sent. */
  readonly assignments: ReadonlyMap<number, readonly Task[]>
  /** By requirement: why its tasks cannot go anywhere now. */
  readonly reasons: ReadonlyMap<string, string>
}

interface Seat {
  readonly node: Candidate
  readonly tasks: Task[]
}

/** Cuckoo with its machinery off lists no machines; it is taken for one machine of any platform. */
const ANY_MACHINE: Machine = { name: '', platform: '', tags: [] }

/**
 * Gives each task, by priority and then by age, to the eligible node with the fewest pending and running tasks for each of its
 * machines; of equal ones to that which has waited longest. A task that came to nothing on a node prefers another one. A task that no node can take never holds up those behind it.
 */
export function drawPlan(demands: readonly Demand[], nodes: readonly Candidate[], limits: PlanLimits): Plan {
  const seats = nodes.map(node => ({ node, tasks: [] }))
  const reasons = new Map<string, string>()
  const open = new Map<string, Seat[]>()
  for (const { requirement } of demands) {
    const [pin, fits] = [pinOf(requirement), machinesFor(requirement)]
    const able = seats.filter(({ node }) => (pin === null || node.id === pin) && canRun(node, fits))
    const reason = whyWaiting(able, nodes, requirement, limits.threshold)
    if (reason !== undefined) reasons.set(requirement, reason)
    else open.set(requirement, able.filter(isOpen))
  }
  const queue = demands.flatMap(({ requirement, tasks }) => tasks.map(task => ({ task, seats: open.get(requirement) })))
  queue.sort((a, b) => b.task.priority - a.task.priority || a.task.id - b.task.id)
  for (const { task, seats: able = [] } of queue) {
    const others = able.filter(({ node }) => node.id !== task.avoidNodeId)
    const seat = bestOf(others, limits) ?? bestOf(able, limits)
    seat?.tasks.push(task)
  }
  return { assignments: new Map(seats.map(({ node, tasks }) => [node.id, tasks])), reasons }
}

function canRun({ machines }: Candidate, fits: (machine: Machine) => boolean): boolean {
  return (machines.length === 0 ? [ANY_MACHINE] : machines).some(fits)
}

function isOpen({ node }: Seat): boolean {
  return node.enabled && node.up
}

function bestOf(seats: readonly Seat[], { threshold, perNode }: PlanLimits): Seat | undefined {
  let best: Seat | undefined
  for (const seat of seats) {
    if (seat.tasks.length >= Math.min(perNode, seat.node.room) || seat.node.pending + seat.tasks.length >= threshold)
      continue
    if (best === undefined || compare(seat, best) < 0) best = seat
  }
  return best
}

function compare(a: Seat, b: Seat): number {
  return loadOf(a) - loadOf(b) || a.tasks.length - b.tasks.length || a.node.lastGiven - b.node.lastGiven
}

function loadOf({ node, tasks }: Seat): number {
  return (node.pending + node.running + tasks.length) / Math.max(1, node.machines.length)
}

function whyWaiting(
  able: readonly Seat[],
  nodes: readonly Candidate[],
  requirement: string,
  threshold: number,
): string | undefined {
  if (!nodes.some(node => node.enabled)) return 'no node is enabled'
  const pinned = nodes.find(({ id }) => id === pinOf(requirement))
  if (pinned?.enabled === false) return `node ${pinned.name}, which it is pinned to, is disabled`
  const enabled = able.filter(({ node }) => node.enabled)
  if (enabled.length === 0) {
    return `no enabled node has a machine for ${describeRequirement(requirement, nodes)}; machines are read now and then, and on POST /node/<name>/refresh`
  }
  const up = enabled.filter(isOpen)
  if (up.length === 0) {
    const held = enabled.find(({ node }) => node.quarantine !== null)?.node
    if (held !== undefined) return `node ${held.name}, which could run it, is in quarantine: ${held.quarantine}`
    return 'no node that could run it answers'
  }
  if (up.every(({ node }) => node.pending >= threshold)) {
    return `every node that could run it has ${threshold} or more pending tasks`
  }
  if (up.every(({ node }) => node.pending >= threshold || node.room === 0)) {
    return 'every node that could run it has as many pending tasks as it may have'
  }
  return undefined
}
