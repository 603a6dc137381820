/** The machines of one node: read again now and then, and chosen for the node where it must not be told tags. */
import { performance } from 'node:perf_hooks'
import { ServerAwayError } from '@cuckoo-distributed/http'
import { cascadesTags } from '@cuckoo-distributed/sandbox-client'
import type { Machine, Node, Task } from '../store/model.js'
import { satisfies, splitTags } from '../store/requirement.js'
import { readMachines } from './inspect-node.js'
import type { NodeSession } from './session.js'
import { troubleOf } from './trouble.js'

/** Intervals between two readings: ten minutes by default. */
const EVERY = 20

export class MachineList {
  readonly #session: NodeSession
  #due = 0
  /** By machine, when it was last chosen. */
  readonly #chosen = new Map<string, number>()
  #turn = 0

  constructor(session: NodeSession) {
    this.#session = session
  }

  /** Reads the machines anew if that is due, and stores them if they have changed. @throws ServerAwayError */
  async refresh(node: Node, signal: AbortSignal): Promise<void> {
    if (performance.now() < this.#due) return
    const { client, availability, store, config, log } = this.#session
    this.#due = performance.now() + EVERY * config.Interval * 1000
    try {
      const machines = await availability.attempt(signal, inner => readMachines(client, inner))
      if (JSON.stringify(machines) === JSON.stringify(node.machines)) return
      await store.nodes.setMachines(node.id, machines)
      log.info({ node: node.name, machines: machines.length }, 'the machines of a node have changed')
    } catch (error: unknown) {
      if (signal.aborted || error instanceof ServerAwayError || troubleOf(error) === undefined) throw error
      log.warn({ node: node.name, err: error }, 'the machines of a node could not be read; those known before count')
    }
  }

  /**
   * The machine to name in place of tags, which a Cuckoo 1.x must not be told: deleting a task with tags deletes others with it there.
   * Of those that fit, the one that was not chosen for the longest time; null where the node is to choose.
   */
  choose({ tags, requirement }: Task, machines: readonly Machine[], version: string): string | null {
    if (splitTags(tags).length === 0 || !cascadesTags({ version })) return null
    const lastChosen = ({ name }: Machine) => this.#chosen.get(name) ?? 0
    const [machine] = machines
      .filter(machine => satisfies(machine, requirement))
      .sort((a, b) => lastChosen(a) - lastChosen(b))
    if (machine === undefined) return null
    this.#turn += 1
    this.#chosen.set(machine.name, this.#turn)
    return machine.name
  }
}
