// JSON texts as people edit them: shown with one member on each line, and changed in exactly those places that were edited.

import { InvalidMessageError, toError } from '@cuckoo-distributed/core'
import { type MemberNode, type ObjectNode, parse, type ValueNode } from '@humanwhocodes/momoa'

/** A text and what is in it, each value with its place. */
export interface JsonText {
  readonly text: string
  readonly root: ValueNode
}

interface Change {
  readonly from: number
  readonly to: number
  readonly text: string
}

/** Throws InvalidMessageError with the place of the fault, and nothing of the text. */
export function parseText(text: string): JsonText {
  try {
    return { text, root: parse(text, { mode: 'json', ranges: true }).body }
  } catch (thrown: unknown) {
    const error = toError(thrown)
    const place = 'line' in error && 'column' in error ? `: see line ${error.line}, column ${error.column}` : ''
    throw new InvalidMessageError('text', `is not JSON${place}`)
  }
}

/** As it is written, escapes and digits of numbers included. */
export function sourceOf({ text }: JsonText, node: { readonly range?: readonly [number, number] | undefined }): string {
  return text.slice(...rangeOf(node))
}

export function rangeOf({ range }: { readonly range?: readonly [number, number] | undefined }): [number, number] {
  if (range === undefined) throw new RangeError('the text was parsed without places')
  return [...range]
}

export function nameOf({ name }: MemberNode): string {
  return name.type === 'String' ? name.value : name.name
}

/** For people: two spaces, a line for each member; numbers as they were written. */
export function pretty(json: JsonText, node: ValueNode = json.root, indent = ''): string {
  const inner = `${indent}  `
  if (node.type === 'Object') {
    const lines = node.members.map(
      member => `${inner}${JSON.stringify(nameOf(member))}: ${pretty(json, member.value, inner)}`,
    )
    return lines.length === 0 ? '{}' : `{\n${lines.join(',\n')}\n${indent}}`
  }
  if (node.type === 'Array') {
    const lines = node.elements.map(({ value }) => `${inner}${pretty(json, value, inner)}`)
    return lines.length === 0 ? '[]' : `[\n${lines.join(',\n')}\n${indent}]`
  }
  return node.type === 'String' ? JSON.stringify(node.value) : sourceOf(json, node)
}

/** `before` with the values of `after`: what is equal keeps its bytes, its order and the white space around it. */
export function withChanges(before: JsonText, after: JsonText): string {
  let text = before.text
  // From the end on: what comes before a change keeps its place.
  for (const { from, to, text: put } of changes(before, before.root, after, after.root).sort(laterFirst)) {
    text = text.slice(0, from) + put + text.slice(to)
  }
  return text
}

function laterFirst(a: Change, b: Change): number {
  return b.from - a.from || b.to - a.to
}

function changes(before: JsonText, old: ValueNode, after: JsonText, edited: ValueNode): Change[] {
  if (old.type === 'Object' && edited.type === 'Object') return memberChanges(before, old, after, edited)
  if (old.type === 'Array' && edited.type === 'Array' && old.elements.length === edited.elements.length) {
    return old.elements.flatMap((element, i) => {
      const other = edited.elements[i]
      return other === undefined ? [] : changes(before, element.value, after, other.value)
    })
  }
  if (isSame(before, old, after, edited)) return []
  const [from, to] = rangeOf(old)
  return [{ from, to, text: sourceOf(after, edited) }]
}

function isSame(before: JsonText, old: ValueNode, after: JsonText, edited: ValueNode): boolean {
  if (old.type === 'String' && edited.type === 'String') return old.value === edited.value
  if (old.type === 'Array' || old.type === 'Object') return pretty(before, old) === pretty(after, edited)
  return sourceOf(before, old) === sourceOf(after, edited)
}

/** A name may be there twice: the first belongs to the first. */
function keyed(members: readonly MemberNode[]): Map<string, MemberNode> {
  const counts = new Map<string, number>()
  return new Map(
    members.map(member => {
      const name = nameOf(member)
      const nth = counts.get(name) ?? 0
      counts.set(name, nth + 1)
      return [`${nth} ${name}`, member]
    }),
  )
}

function memberChanges(before: JsonText, old: ObjectNode, after: JsonText, edited: ObjectNode): Change[] {
  const [olds, edits] = [keyed(old.members), keyed(edited.members)]
  const kept = [...olds].flatMap(([key, member]) => {
    const other = edits.get(key)
    return other === undefined ? [] : [{ member, other }]
  })
  const added = [...edits]
    .filter(([key]) => !olds.has(key))
    .map(([, member]) => `${JSON.stringify(nameOf(member))}: ${sourceOf(after, member.value)}`)
  const last = kept.at(-1)
  const [from, to] = rangeOf(old)
  if (last === undefined) {
    return added.length === 0 && olds.size === 0 ? [] : [{ from, to, text: `{${added.join(', ')}}` }]
  }
  const end = rangeOf(last.member)[1]
  return [
    ...kept.flatMap(({ member, other }) => changes(before, member.value, after, other.value)),
    ...removals(old.members, new Set(kept.map(({ member }) => member))),
    ...(added.length === 0 ? [] : [{ from: end, to: end, text: `, ${added.join(', ')}` }]),
  ]
}

/** With each member that goes, one comma goes: the one before it once a member has stayed, else the one behind it. */
function removals(members: readonly MemberNode[], kept: ReadonlySet<MemberNode>): Change[] {
  let hasKept = false
  return members.flatMap((member, i) => {
    if (kept.has(member)) {
      hasKept = true
      return []
    }
    const [start, end] = rangeOf(member)
    const [before, behind] = [members[i - 1], members[i + 1]]
    if (hasKept && before) return [{ from: rangeOf(before)[1], to: end, text: '' }]
    return behind ? [{ from: start, to: rangeOf(behind)[0], text: '' }] : []
  })
}
