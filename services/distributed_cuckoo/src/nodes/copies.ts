/** The copies of tasks that one node has: looking at them, collecting their results, removing them. */
import { performance } from 'node:perf_hooks'
import { describeError } from '@cuckoo-distributed/core'
import { ServerAwayError } from '@cuckoo-distributed/http'
import type { TaskSummary } from '@cuckoo-distributed/sandbox-client'
import { inParallel } from '@cuckoo-distributed/wait'
import type { Node, Submission } from '../store/model.js'
import { collect } from './collect.js'
import { type Copy, isAccepted, type NodeSession } from './session.js'
import { isReplaced, Successors } from './successors.js'
import { troubleOf } from './trouble.js'
import { isCopy, isOfNode } from './unconfirmed.js'
import { Watches } from './watches.js'

/** Cuckoo also answers 404 while its database fails (`cuckoosandbox/cuckoo:lib/cuckoo/core/database.py`, `view_task`). */
const MISSES = 3
const FETCHES = 3
/** Of what a node says about a failed analysis. */
const MAX_REASON = 1000

export class Copies {
  readonly #session: NodeSession
  readonly #watches: Watches
  /** Copies that were deleted, which is written down for all together. */
  #gone: number[] = []
  readonly #successors: Successors
  /** The newest submission by the node's number, which is that of the next task once the newest one was deleted. */
  #owners = new Map<number | null, number>()
  #wasFull = false

  constructor(session: NodeSession, runningBefore: Node['runningSince']) {
    this.#session = session
    this.#watches = new Watches(session.config.Interval * 1000, runningBefore)
    this.#successors = new Successors(session)
  }

  /** Those out of these that the node runs, each with when it was first seen to. */
  runningSince(submissions: readonly Submission[]): Node['runningSince'] {
    this.#watches.keepOnly(submissions)
    for (const submission of submissions) this.#watches.of(submission)
    return this.#watches.runningSince
  }

  /** To be called when a node has accepted a task: it is not done within the interval. */
  added(submission: Submission): void {
    this.#watches.later(submission)
  }

  /** Whether one of these has never been fetched, so that it may yet show that the node's reports are well. */
  hasUntried(submissions: readonly Submission[]): boolean {
    return submissions.some(copy => copy.state === 'accepted' && this.#watches.of(copy).fetches === 0)
  }

  /**
   * Asks the node for each copy that is due, longest overdue first, and does what its state calls for; for one interval at most, so that
   * other work with the node goes on. `submissions`: all of the node's.
   *
   * @throws what concerns the whole node, our disk or database; an error that concerns one copy only is logged.
   */
  async tend(submissions: readonly Submission[], machines: number, signal: AbortSignal): Promise<void> {
    const { config, store, onContact } = this.#session
    this.#watches.keepOnly(submissions)
    this.#owners = new Map(submissions.toSorted((a, b) => a.id - b.id).map(({ id, nodeTaskId }) => [nodeTaskId, id]))
    const due = this.#watches.due(submissions.filter(isAccepted))
    const end = performance.now() + config.Interval * 1000
    const inTime = (function* () {
      for (const item of due) {
        yield item
        if (performance.now() > end) return
      }
    })()
    try {
      await inParallel(inTime, config.NodeConcurrency, async ({ copy, ahead }) => {
        onContact()
        await this.#look(copy, { ahead, machines }, signal)
      })
    } finally {
      const gone = this.#gone
      this.#gone = []
      await store.dispatch.discarded(gone)
    }
  }

  async #look(
    copy: Copy,
    waiting: { readonly ahead: number; readonly machines: number },
    signal: AbortSignal,
  ): Promise<void> {
    const { availability, client } = this.#session
    this.#watches.later(copy)
    try {
      if (copy.state === 'discarding') await this.#discard(copy, signal)
      else {
        const view = (inner: AbortSignal) => client.viewTask(copy.nodeTaskId, inner)
        await this.#handle(copy, await availability.attempt(signal, view), waiting, signal)
      }
      this.#watches.of(copy).failingSince = undefined
    } catch (error: unknown) {
      if (signal.aborted || error instanceof ServerAwayError || !isOfNode(error)) throw error
      await this.#unreadable(copy, error)
    }
  }

  /** Milliseconds until there is something to do for these. */
  untilDue(submissions: readonly Submission[]): number {
    return this.#watches.untilDue(submissions.filter(isAccepted))
  }

  async #handle(
    copy: Copy,
    seen: TaskSummary | undefined,
    waiting: { readonly ahead: number; readonly machines: number },
    signal: AbortSignal,
  ): Promise<void> {
    const { store } = this.#session
    const watch = this.#watches.of(copy)
    watch.misses = seen === undefined ? watch.misses + 1 : 0
    if (seen === undefined) {
      if (watch.misses >= MISSES) await this.#lost(copy, 'does not know the task any more')
    } else if (!this.#isOurs(seen, copy)) await this.#lost(copy, 'has another task under its number')
    else if (isReplaced(copy, seen)) {
      if (await this.#follow(copy, seen, signal)) return
      await this.#delete(copy, signal)
      await this.#lost(copy, 'was restarted during the analysis')
    } else if (seen.phase === 'pending' || seen.phase === 'running') {
      // It is written down with the node's status: a write for each task would be one in five.
      watch.runningOn = seen.phase === 'running' ? (watch.runningOn ?? store.now()) : undefined
      if (seen.phase === 'pending') this.#watches.later(copy, waiting)
    } else if (seen.phase === 'reported') await this.#collect(copy, signal)
    else if (seen.phase === 'failed') await this.#failed(copy, seen, signal)
  }

  /** Of two copies with the same number, and it may be the same `custom` and sample, the former one is gone. */
  #isOurs(seen: TaskSummary, copy: Copy): boolean {
    return isCopy(seen, copy) && this.#owners.get(copy.nodeTaskId) === copy.id
  }

  /** The copy is from now on what the node goes on with, and what is left of the former one is removed. False: there is no such task. */
  async #follow(copy: Copy, seen: TaskSummary, signal: AbortSignal): Promise<boolean> {
    const { availability, store, node, log } = this.#session
    const successor = await availability.attempt(signal, inner => this.#successors.of(copy, seen, inner))
    if (successor === undefined) return false
    // First of all: without its number the new task would be nobody's.
    await store.dispatch.followed(copy.id, successor)
    this.#watches.of(copy).runningOn = undefined
    const about = { task: copy.taskId, node: node.name, nodeTask: copy.nodeTaskId, successor }
    log.info(about, 'the node goes on with another task; following that one')
    if (!(await this.#delete(copy, signal))) log.info(about, 'what was recovered stays on its node')
    return true
  }

  /** The node answers, but not about this task: after a while another one may have it. */
  async #unreadable(copy: Copy, error: unknown): Promise<void> {
    const { config, node, log } = this.#session
    log.warn({ task: copy.taskId, node: node.name, err: error }, 'a task on a node could not be looked at')
    const watch = this.#watches.of(copy)
    watch.failingSince ??= performance.now()
    if (performance.now() - watch.failingSince < config.NodeTimeout * 1000) return
    await this.#abandon(copy, `node ${node.name} gives no usable answer about the task: ${describeError(error)}`)
  }

  async #collect(copy: Copy, signal: AbortSignal): Promise<void> {
    const { quarantine, node, spans } = this.#session
    if (quarantine.holds('reports') || (await this.#isFull())) return
    const watch = this.#watches.of(copy)
    const { fetches, runningOn } = watch
    const work = () => collect(this.#session, copy, { last: fetches + 1 >= FETCHES, runningOn }, signal)
    const collected = await (spans?.around('fetch', { task: copy.taskId, node: node.name }, work) ?? work())
    if (collected === 'later') return
    if (collected === 'settled') {
      quarantine.succeeded('reports')
      await this.#remove(copy, signal)
      return
    }
    watch.fetches += 1
    this.#watches.muchLater(copy)
    // What fails once more says nothing new of the node, and must not prolong a trial that another task is to decide.
    if (watch.fetches === 1) quarantine.failed('reports', copy.id, collected.problem)
    if (watch.fetches >= FETCHES) await this.#abandon(copy, `node ${node.name}: ${collected.problem}`)
  }

  async #isFull(): Promise<boolean> {
    const { config, files, log } = this.#session
    const isFull = (await files.freeBytes()) < config.MinFreeSpace
    if (isFull && !this.#wasFull) log.warn('no report is fetched: free space is below MinFreeSpace')
    this.#wasFull = isFull
    return isFull
  }

  /** The node gave the analysis up, which is the task's end, unless another copy has taken this one's place. */
  async #failed(copy: Copy, { status, errors }: TaskSummary, signal: AbortSignal): Promise<void> {
    const { store, node } = this.#session
    const reason = [status, ...errors].join(': ').slice(0, MAX_REASON)
    const { runningOn } = this.#watches.of(copy)
    await store.dispatch.failedOnNode(copy.id, `${reason} (node ${node.name})`, store.now(), runningOn)
    await this.#remove(copy, signal)
  }

  async #lost(copy: Copy, problem: string): Promise<void> {
    const { store, node, log } = this.#session
    log.warn({ task: copy.taskId, node: node.name, problem }, 'a node has lost a task')
    await store.dispatch.vanished(copy.id, this.#requeue(`node ${node.name} ${problem}`))
  }

  /** The task may go to another node, while what this one has of it stays there. */
  async #abandon(copy: Copy, error: string): Promise<void> {
    await this.#session.store.dispatch.abandoned(copy.id, this.#requeue(error))
  }

  #requeue(error: string) {
    const at = this.#session.store.now()
    return { error, at, notBefore: at, counted: true, maxRequeues: this.#session.config.MaxRequeues }
  }

  /** Removes the node's copy if it is ours still: numbers come back when a node is set up anew. */
  async #discard(copy: Copy, signal: AbortSignal): Promise<void> {
    const { availability, client } = this.#session
    const seen = await availability.attempt(signal, inner => client.viewTask(copy.nodeTaskId, inner))
    if (seen === undefined || !this.#isOurs(seen, copy)) this.#gone.push(copy.id)
    else if (!isReplaced(copy, seen) || !(await this.#follow(copy, seen, signal))) await this.#remove(copy, signal)
  }

  /** A running task cannot be deleted: that is tried again, as is every other failure. */
  async #remove(copy: Copy, signal: AbortSignal): Promise<void> {
    const { node, log } = this.#session
    try {
      if (await this.#delete(copy, signal)) this.#gone.push(copy.id)
    } catch (error: unknown) {
      if (signal.aborted || error instanceof ServerAwayError || troubleOf(error) === undefined) throw error
      log.info({ task: copy.taskId, node: node.name, problem: describeError(error) }, 'a copy could not be deleted yet')
    }
  }

  /** Resolves with whether nothing more is to be done. */
  async #delete(copy: Copy, signal: AbortSignal): Promise<boolean> {
    const { availability, client, node, log, leadership } = this.#session
    leadership.look()
    const deletion = await availability.attempt(signal, inner => client.deleteTask(copy.nodeTaskId, inner))
    const about = { task: copy.taskId, node: node.name, nodeTask: copy.nodeTaskId }
    if (deletion === 'kept') log.warn(about, 'a task with tags stays on its node, which would delete others with it')
    return deletion !== 'busy'
  }
}
