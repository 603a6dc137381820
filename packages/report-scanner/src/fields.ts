// The scalar fields of one object of the report.
import type { Node, Scalar } from '@cuckoo-distributed/json-scanner'
import { toText } from './normalise.js'

/** Collects the named fields of an object while it is read. */
export class Fields<K extends string> {
  readonly nodes: ReadonlyMap<string, Node>
  #values: Partial<Record<K, Scalar>> = {}

  constructor(names: readonly K[]) {
    this.nodes = new Map(names.map(name => [name, { scalar: value => this.#set(name, value) }]))
  }

  #set(name: K, value: Scalar): void {
    this.#values[name] = value
  }

  /** Forgets all values, for the next object. */
  clear(): void {
    this.#values = {}
  }

  /** The field's value; undefined if it was not there, or is an object or a list. */
  get(name: K): Scalar | undefined {
    return this.#values[name]
  }

  /** The field's value as text; empty if it was not there, or is an object or a list. */
  text(name: K): string {
    return toText(this.#values[name])
  }
}
