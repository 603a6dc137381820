// The language of schemas: which places of a JSON document are wanted.
import type { Scalar } from './json-value.js'

/** A wanted place in the document. What a value there is not prepared for (a list where only `object` is given, say) is skipped. */
export interface Node {
  /** A value of any type begins here. Of a repeated key the last value counts, so this forgets the earlier one. */
  readonly begin?: () => void
  readonly object?: ObjectNode
  readonly array?: ArrayNode
  /** Takes strings, numbers, booleans and null. */
  readonly scalar?: (value: Scalar) => void
  /** Takes objects and lists as JSON text with long strings cut, or undefined if even so they are too large. An error thrown by `parseValue` may leave it: its place is made a byte offset. */
  readonly container?: (text: string | undefined) => void
}

/** A wanted object: its wanted keys, and what to do where it opens and closes. */
export interface ObjectNode {
  readonly fields: ReadonlyMap<string, Node>
  readonly open?: () => void
  readonly close?: () => void
}

/** A wanted list: what its elements are, and whether one more is wanted; if not, the rest is skipped at once. */
export interface ArrayNode {
  readonly item: Node
  readonly wantsMore?: () => boolean
}
