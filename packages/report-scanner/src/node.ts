// The language of schemas: which places of a JSON document are wanted.
import { isScalar, type Scalar } from './json-value.js'

/** A wanted place in the document. What a value there is not prepared for (a list where only `object` is given, say) is skipped. */
export interface Node {
  /** A value of any type begins here. Of a repeated key the last value counts, so this forgets the earlier one. */
  readonly begin?: () => void
  readonly object?: ObjectNode
  readonly array?: ArrayNode
  /** Takes strings, numbers, booleans and null. */
  readonly scalar?: (value: Scalar) => void
  /** Takes objects and lists as `parseValue` makes them, long strings cut; undefined if even so they are too large, or nested too deep. */
  readonly container?: (value: unknown) => void
}

/** A wanted object: its wanted keys, and what to do where it opens and closes. */
export interface ObjectNode {
  readonly fields: ReadonlyMap<string, Node>
  readonly open?: () => void
  readonly close?: () => void
}

/** A wanted list: what its elements are, and how many more of them are wanted (default: all); what comes after those is skipped at once. */
export interface ArrayNode {
  readonly item: Node
  readonly wanted?: () => number
}

/** Gives `node` a value that is already parsed. Only for nodes without `object`. */
export function give(node: Node, value: unknown): void {
  node.begin?.()
  if (isScalar(value)) node.scalar?.(value)
  else if (Array.isArray(value) && node.array) for (const item of value) give(node.array.item, item)
  else node.container?.(value)
}
