// The language of schemas: which places of a JSON document are wanted, and as what.
import type { JsonError } from './error.js'
import { isScalar, type Scalar } from './value.js'

/** A wanted place in the document. What a value there is not prepared for (a list where only `object` is given, say) is skipped. */
export interface Node {
  /** A value of any type begins here. */
  readonly begin?: () => void
  /** Walks an object, member by member. */
  readonly object?: ObjectNode
  /** Walks a list, element by element. */
  readonly array?: ArrayNode
  /** Takes strings, numbers, booleans and null. Numbers of more than 1 KiB are left out. */
  readonly scalar?: (value: Scalar) => void
  /** Takes objects and lists as `parseJson` makes them. */
  readonly container?: (value: unknown) => void
  /**
   * Takes a string of any length as the bytes between its quotes, escapes as they are, while they come. Pieces are views of what was pushed, of one
   * push side by side; `at` is their place in the document. At least one piece comes; the last may be empty.
   */
  readonly bytes?: (piece: Buffer, at: number, isLast: boolean) => void
  /**
   * Takes the place of a value for `scalar` or `container` that is broken, too deep or too large. Without it, the document cannot be read; so it is
   * when this throws.
   */
  readonly unreadable?: (error: JsonError) => void
}

/** A wanted object: its wanted keys, and what to do where it opens and closes. */
export interface ObjectNode {
  /** By key. A key in here may come only once. */
  readonly fields: ReadonlyMap<string, Node>
  /** Takes what has another key. Default: skipped, which checks strings and the number of brackets only. */
  readonly others?: Node
  readonly open?: () => void
  readonly close?: () => void
}

/** A wanted list: what its elements are, and how many more of them are wanted (default: all); what comes after those is skipped at once. */
export interface ArrayNode {
  readonly item: Node
  readonly open?: () => void
  readonly wanted?: () => number
}

/** Gives `node` a value that is already parsed. Only for nodes without `object` and `bytes`. */
export function give(node: Node, value: unknown): void {
  node.begin?.()
  if (isScalar(value)) node.scalar?.(value)
  else if (Array.isArray(value) && node.array) {
    node.array.open?.()
    for (const item of value) if ((node.array.wanted?.() ?? 1) > 0) give(node.array.item, item)
  } else node.container?.(value)
}
