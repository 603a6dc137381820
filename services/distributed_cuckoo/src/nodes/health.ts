/** How one node is as a whole: asked for with its status, and shown in the store and in the log. */
import { performance } from 'node:perf_hooks'
import { DoubtfulStatusError } from '@cuckoo-distributed/sandbox-client'
import type { Node, NodeCounters, Submission } from '../store/model.js'
import { TroubleLog } from '../trouble-log.js'
import { refuseOwnCluster } from './inspect-node.js'
import type { NodeSession } from './session.js'
import { type Trouble, troubleOf } from './trouble.js'

export class Health {
  readonly #session: NodeSession
  #counters: NodeCounters | undefined
  #version = ''
  #due = 0
  #lastAnswer = performance.now()
  /** What store and log say of the node. */
  #shown: 'up' | 'down' | 'quarantined' | undefined
  #quarantine: string | null = null
  readonly #trouble: TroubleLog

  constructor(session: NodeSession) {
    this.#session = session
    this.#trouble = new TroubleLog(session.log.child({ node: session.node.name }))
  }

  /** The counters of the last status, while the node answers. */
  get counters(): NodeCounters | undefined {
    return this.#counters
  }

  /** As the node calls itself. */
  get version(): string {
    return this.#version
  }

  get isDue(): boolean {
    return this.untilDue === 0
  }

  /** Milliseconds until the status is to be asked for. */
  get untilDue(): number {
    return Math.max(0, this.#due - performance.now())
  }

  /** @throws what is wrong with the node, our database, or `signal.reason`. */
  async ask(
    node: Node,
    { submissions, runningSince }: { readonly submissions: readonly Submission[] } & Pick<Node, 'runningSince'>,
    signal: AbortSignal,
  ): Promise<void> {
    const { client, store, log, quarantine, config, onContact } = this.#session
    onContact()
    const status = await client.status(signal)
    refuseOwnCluster(status, store.id)
    // A failing database counts 0 tasks; a node that seems to be idle would be given more and more of them.
    if (!status.tasksKnown && submissions.length > 0) throw new DoubtfulStatusError(client.baseUrl)
    const { version, total, pending, running, completed, reported, freeBytes = null } = status
    this.#version = version
    this.#counters = { total, pending, running, completed, reported }
    this.#lastAnswer = performance.now()
    // A status counts where requests are few.
    this.#due = this.#lastAnswer + Math.max(config.Interval * 1000, 3 * client.intervalMs)
    this.#quarantine = quarantine.error
    const kind = client.kind ?? null
    const seen = {
      counters: this.#counters,
      freeBytes,
      at: store.now(),
      quarantine: quarantine.error,
      kind,
      runningSince,
    }
    await store.nodes.recordStatus(node.id, seen)
    if (this.#shown !== 'up' && quarantine.error === null) log.info({ node: node.name, version }, 'node answers')
    if (this.#shown !== 'quarantined' && quarantine.error !== null) {
      log.warn({ node: node.name, problem: quarantine.error }, 'node in quarantine: it answers, but its tasks fail')
    }
    this.#shown = quarantine.error === null ? 'up' : 'quarantined'
  }

  /** Has the quarantine shown soon, if it has changed; its tasks go elsewhere when it has lasted too long. */
  async heedQuarantine(submissions: readonly Submission[]): Promise<void> {
    const { quarantine, config, node } = this.#session
    if (quarantine.error !== this.#quarantine) this.#due = 0
    if (quarantine.lastsMs <= config.NodeTimeout * 1000) return
    await this.#giveUp(submissions, `node ${node.name} is in quarantine: ${quarantine.error}`)
  }

  /** Shows that the node is in trouble, and gives its tasks to others when that has lasted too long. False: the error is not the node's. */
  async fail(error: unknown): Promise<boolean> {
    const { log, node } = this.#session
    const trouble = troubleOf(error)
    if (trouble === undefined) return false
    this.#counters = undefined
    this.#due = 0
    if (this.#shown !== 'down') log.warn({ node: node.name, err: error, problem: trouble.reason }, 'node in trouble')
    this.#shown = 'down'
    try {
      await this.#record(trouble)
      this.#trouble.worked()
    } catch (failure: unknown) {
      this.#trouble.failed(failure, 'the failure of a node could not be recorded')
    }
    return true
  }

  async #record({ state, reason }: Trouble): Promise<void> {
    const { store, node, config } = this.#session
    await store.nodes.recordFailure(node.id, { state, error: reason })
    const silentMs = performance.now() - this.#lastAnswer
    if (silentMs < config.NodeTimeout * 1000) return
    const error = `node ${node.name} has not answered for ${Math.round(silentMs / 1000)} s: ${reason}`
    await this.#giveUp(await store.dispatch.submissions(node.id), error)
  }

  async #giveUp(submissions: readonly Submission[], error: string): Promise<void> {
    const { store, config } = this.#session
    const at = store.now()
    const outcome = { error, at, notBefore: at, counted: true, maxRequeues: config.MaxRequeues }
    for (const { id, state } of submissions) if (state !== 'discarding') await store.dispatch.abandoned(id, outcome)
  }
}
