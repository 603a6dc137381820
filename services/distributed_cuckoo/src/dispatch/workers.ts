/** The workers of all nodes. */
import type { Logger } from '@cuckoo-distributed/core'
import { Availability } from '@cuckoo-distributed/http'
import { believedStatus, type SandboxClient, sandboxNotices } from '@cuckoo-distributed/sandbox-client'
import { backOff, linkedController } from '@cuckoo-distributed/wait'
import type { DistributedConfig } from '../config.js'
import type { Files } from '../files/files.js'
import { connectNode } from '../nodes/inspect-node.js'
import { type Candidate, NodeWorker } from '../nodes/node-worker.js'
import { Quarantine } from '../nodes/quarantine.js'
import type { Patience } from '../nodes/session.js'
import type { Spans } from '../spans.js'
import type { Node, NodeCounters, Task } from '../store/model.js'
import type { Leadership, Store } from '../store/store.js'

const PATIENCE: Patience = { uploadMs: 60_000, reportMs: 60_000 }

export interface WorkersOptions {
  readonly store: Store
  readonly files: Files
  readonly config: DistributedConfig
  readonly log: Logger
  readonly spans?: Spans | undefined
  /** Default: a minute for either. */
  readonly patience?: Patience
}

export interface LedOptions extends WorkersOptions {
  readonly leadership: Pick<Leadership, 'look'>
  readonly onChange: () => void
}

interface Member {
  readonly worker: NodeWorker
  readonly name: string
  /** What the worker's connection was made of. */
  readonly address: string
  readonly stop: () => void
  readonly ended: Promise<void>
}

export class NodeWorkers {
  readonly #options: LedOptions
  readonly #signal: AbortSignal
  readonly #members = new Map<number, Member>()
  readonly #fetching = new Set<number>()
  #turn = 0

  /** The workers end when the signal is aborted. `onChange` is called when a new plan may be due. */
  constructor(options: LedOptions, signal: AbortSignal) {
    this.#options = options
    this.#signal = signal
  }

  /** Has a worker for each registered node, at the node's present address, and resolves with how they are. */
  match(nodes: readonly Node[]): Candidate[] {
    return nodes.map(node => {
      const known = this.#members.get(node.id)
      const member = known?.address === this.#addressOf(node) ? known : this.#replace(known, node)
      member.worker.update(node)
      return member.worker.candidate
    })
  }

  /** Hands out a plan: by node id, what to send next. */
  assign(assignments: ReadonlyMap<number, readonly Task[]>): void {
    for (const [id, { worker }] of this.#members) worker.plan(assignments.get(id) ?? [])
  }

  /** By name, the counters of the nodes that answer. */
  counters(): Map<string, NodeCounters> {
    const entries = [...this.#members.values()].map(({ name, worker }) => [name, worker.counters] as const)
    return new Map(entries.flatMap(([name, counters]) => (counters === undefined ? [] : [[name, counters] as const])))
  }

  /** Resolves when all workers have ended, which they do after the signal. */
  async ended(): Promise<void> {
    await Promise.all([...this.#members.values()].map(({ ended }) => ended))
  }

  #addressOf({ name, url }: Node): string {
    return JSON.stringify([name, url])
  }

  /** The new worker begins when the old one has ended, so that a node never has two. */
  #replace(old: Member | undefined, node: Node): Member {
    old?.stop()
    const client = connectNode(this.#options.config, node.url, sandboxNotices(this.#options.log))
    const worker = this.#hire(node, client)
    const linked = linkedController(this.#signal)
    const { controller } = linked
    const run = async () => {
      await old?.ended
      try {
        await worker.run(controller.signal)
      } catch (error: unknown) {
        if (!controller.signal.aborted) this.#options.log.error({ node: node.name, err: error }, 'a worker ended')
      } finally {
        linked[Symbol.dispose]()
        await client[Symbol.asyncDispose]()
        if (this.#members.get(node.id) === member) this.#members.delete(node.id)
      }
    }
    const address = this.#addressOf(node)
    const ended = Promise.resolve().then(run)
    const member: Member = { worker, name: node.name, address, stop: () => controller.abort(), ended }
    this.#members.set(node.id, member)
    return member
  }

  #hire(node: Node, client: SandboxClient): NodeWorker {
    const { store, files, config, log, spans, leadership, onChange, patience = PATIENCE } = this.#options
    const nextTurn = () => {
      this.#turn += 1
      return this.#turn
    }
    const intervalMs = config.Interval * 1000
    const availability = new Availability({
      probe: signal => believedStatus(client, signal),
      backOff: backOff({ initialMs: Math.min(1000, intervalMs), maxMs: intervalMs }),
    })
    const quarantine = new Quarantine(intervalMs, node.state === 'quarantined' ? node.lastError : null)
    const shared = { store, files, config, log, spans, leadership, patience, fetching: this.#fetching }
    const session = { ...shared, node, client, availability, quarantine }
    return new NodeWorker(node, { session, onChange, nextTurn })
  }
}
