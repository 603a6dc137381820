// The scalar fields of one object of the report.

import type { Scalar } from './json-value.js'
import type { Node } from './node.js'

/** Collects the named fields of an object while it is read; of a repeated key the last value counts. */
export class Fields<K extends string> {
  readonly nodes: ReadonlyMap<string, Node>
  #values: Partial<Record<K, Scalar>> = {}

  constructor(names: readonly K[]) {
    this.nodes = new Map(names.map(name => [name, this.#node(name)]))
  }

  #node(name: K): Node {
    return {
      begin: () => delete this.#values[name],
      scalar: value => {
        this.#values[name] = value
      },
    }
  }

  /** Forgets all values. */
  clear(): void {
    this.#values = {}
  }

  /** The field's value; undefined if it was not there, or is an object or a list. */
  get(name: K): Scalar | undefined {
    return this.#values[name]
  }
}
