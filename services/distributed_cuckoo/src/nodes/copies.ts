/** The copies of tasks that one node has: looking at them, collecting their results, removing them. */
import { performance } from 'node:perf_hooks'

import { describeError } from '@cuckoo-distributed/core'
import type { TaskSummary } from '@cuckoo-distributed/sandbox-client'
import { inParallel } from '@cuckoo-distributed/wait'
import type { Submission } from '../store/model.js'
import { collect } from './collect.js'
import type { NodeSession } from './session.js'
import { concernsWholeNode } from './trouble.js'
import { isCopy } from './unconfirmed.js'
import { Watches } from './watch.js'

/** Cuckoo also answers 404 while its database fails (`cuckoosandbox/cuckoo:lib/cuckoo/core/database.py`, `view_task`). */
const MISSES = 3
const FETCHES = 3

/** A submission that the node has accepted. */
type Copy = Submission & { readonly nodeTaskId: number }

export class Copies {
  readonly #session: NodeSession
  readonly #onRequest: () => void
  readonly #watches: Watches
  #wasFull = false

  /** `onRequest` is called before the node is asked for a copy. */
  constructor(session: NodeSession, onRequest: () => void) {
    this.#session = session
    this.#onRequest = onRequest
    this.#watches = new Watches(session.config.Interval * 1000)
  }

  /** To be called when a node has accepted a task: it is not done within the interval. */
  added(submission: Submission): void {
    this.#watches.later(submission)
  }

  /**
   * Asks the node for each copy that is due, oldest first, and does what its state calls for. `submissions`: all of the node's.
   * @throws what concerns the whole node, our disk or database; an error that concerns one copy only is logged.
   */
  async tend(submissions: readonly Submission[], machines: number, signal: AbortSignal): Promise<void> {
    this.#watches.keepOnly(submissions)
    const copies = submissions.filter(isAccepted)
    const due = copies.map((copy, ahead) => ({ copy, ahead })).filter(({ copy }) => this.#watches.isDue(copy))
    await inParallel(due, this.#session.config.NodeConcurrency, async ({ copy, ahead }) => {
      this.#watches.later(copy)
      this.#onRequest()
      try {
        if (copy.state === 'discarding') await this.#discard(copy, signal)
        else await this.#look(copy, { ahead, machines }, signal)
        this.#watches.of(copy).failingSince = undefined
      } catch (error: unknown) {
        if (signal.aborted || concernsWholeNode(error)) throw error
        await this.#unreadable(copy, error)
      }
    })
  }

  /** Milliseconds until there is something to do for these. */
  untilDue(submissions: readonly Submission[]): number {
    return this.#watches.untilDue(submissions.filter(isAccepted))
  }

  async #look(copy: Copy, waiting: { readonly ahead: number; readonly machines: number }, signal: AbortSignal) {
    const watch = this.#watches.of(copy)
    const seen = await this.#session.client.viewTask(copy.nodeTaskId, signal)
    watch.misses = seen === undefined ? watch.misses + 1 : 0
    if (seen === undefined) {
      if (watch.misses >= MISSES) await this.#lost(copy, 'does not know the task any more')
    } else if (!isCopy(seen, copy)) await this.#lost(copy, 'has another task under its number')
    else if (seen.status === 'reported') await this.#collect(copy, signal)
    else if (seen.status.startsWith('failed_')) await this.#failed(copy, seen, signal)
    else if (seen.status === 'recovered') {
      await this.#session.client.deleteTask(copy.nodeTaskId, signal)
      await this.#lost(copy, 'was restarted during the analysis')
    } else if (seen.status === 'pending') this.#watches.later(copy, waiting)
  }

  /** The node answers, but not about this task: after a while another one may have it. */
  async #unreadable(copy: Copy, error: unknown): Promise<void> {
    const { config, store, node, log } = this.#session
    log.warn({ task: copy.taskId, node: node.name, err: error }, 'a task on a node could not be looked at')
    const watch = this.#watches.of(copy)
    watch.failingSince ??= performance.now()
    if (performance.now() - watch.failingSince < config.NodeTimeout * 1000) return
    const reason = `node ${node.name} gives no usable answer about the task: ${describeError(error)}`
    const at = Date.now()
    const outcome = { error: reason, at, notBefore: at, counted: true, maxRequeues: config.MaxRequeues }
    await store.dispatch.abandoned(copy.id, outcome)
  }

  async #collect(copy: Copy, signal: AbortSignal): Promise<void> {
    const { config, files, log } = this.#session
    const isFull = (await files.freeBytes()) < config.MinFreeSpace
    if (isFull && !this.#wasFull) log.warn('no report is fetched: free space is below MinFreeSpace')
    this.#wasFull = isFull
    if (isFull) return
    const watch = this.#watches.of(copy)
    const collected = await collect(this.#session, copy, { last: watch.fetches + 1 >= FETCHES }, signal)
    if (collected === 'incomplete') watch.fetches += 1
    if (collected === 'stored') await this.#remove(copy, signal)
  }

  /** The node gave the analysis up, which is the task's end, unless another copy has taken this one's place. */
  async #failed(copy: Copy, { status, errors }: TaskSummary, signal: AbortSignal): Promise<void> {
    const { store, node } = this.#session
    const task = await store.tasks.get(copy.taskId)
    const reason = [status, ...errors].join(': ')
    if (task?.attempt === copy.attempt) {
      await store.dispatch.fail(copy.taskId, `${reason} (node ${node.name})`, Date.now())
      await this.#remove(copy, signal)
    } else if ((await this.#session.client.deleteTask(copy.nodeTaskId, signal)) !== 'busy') {
      await store.dispatch.discarded(copy.id)
    }
  }

  async #lost(copy: Copy, problem: string): Promise<void> {
    const { config, store, node, log } = this.#session
    const error = `node ${node.name} ${problem}`
    const at = Date.now()
    log.warn({ task: copy.taskId, node: node.name, problem }, 'a node has lost a task')
    const outcome = { error, at, notBefore: at, counted: true, maxRequeues: config.MaxRequeues }
    await store.dispatch.vanished(copy.id, outcome)
  }

  /** Removes the node's copy if it is ours still: numbers come back when a node is set up anew. */
  async #discard(copy: Copy, signal: AbortSignal): Promise<void> {
    const seen = await this.#session.client.viewTask(copy.nodeTaskId, signal)
    if (seen !== undefined && isCopy(seen, copy)) await this.#remove(copy, signal)
    else await this.#session.store.dispatch.discarded(copy.id)
  }

  /** A running task cannot be deleted: that is tried again, as is every other failure. */
  async #remove(copy: Copy, signal: AbortSignal): Promise<void> {
    const { client, store, node, log } = this.#session
    try {
      if ((await client.deleteTask(copy.nodeTaskId, signal)) !== 'busy') await store.dispatch.discarded(copy.id)
    } catch (error: unknown) {
      if (signal.aborted || concernsWholeNode(error)) throw error
      log.info({ task: copy.taskId, node: node.name, problem: describeError(error) }, 'a copy could not be deleted yet')
    }
  }
}

function isAccepted(submission: Submission): submission is Copy {
  return submission.nodeTaskId !== null
}
