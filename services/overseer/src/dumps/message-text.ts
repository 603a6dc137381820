// The message in a dump as people may see and edit it: its JSON with placeholders for keys, passwords and the sample, which get
// their values back when an edited text is taken.
import { isUtf8 } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import { InvalidMessageError, isSecretName, redactText } from '@cuckoo-distributed/core'
import { cutString } from '@cuckoo-distributed/json-scanner'
import type { ValueNode } from '@humanwhocodes/momoa'
import { type JsonText, nameOf, parseText, pretty, rangeOf, sourceOf, withChanges } from './json-text.js'

/** Without its sample. What is larger is no message of ours, and nothing to be read. */
const LARGEST_TEXT = 1024 * 1024

export class MessageText {
  readonly #nonce: string
  /** By placeholder, as a JSON text: what stands there in the message, quotes included. */
  readonly #hidden = new Map<string, Buffer>()
  readonly #template: JsonText

  /** `nonce`: hexadecimal digits that nobody who makes messages can guess; the same ones give a text the same placeholders. */
  constructor(body: Buffer, nonce = randomBytes(3).toString('hex')) {
    this.#nonce = nonce
    this.#template = this.#templateOf(body) ?? parseText(this.#hide(body, `${body.length} bytes that are no JSON`))
  }

  /** JSON for people; one text if the message is no JSON. */
  get readable(): string {
    return pretty(this.#template)
  }

  /**
   * The message with the values of an edited `readable`: what is equal keeps its bytes. Throws InvalidMessageError when a
   * placeholder was changed, or is there twice.
   */
  withChanges(edited: JsonText): Buffer {
    this.#check(edited)
    // A text between two placeholders, a placeholder, a text …
    const parts = withChanges(this.#template, edited).split(
      new RegExp(`("\\[hidden ${this.#nonce}-\\d+: (?:[^"\\\\]|\\\\.)*")`),
    )
    return Buffer.concat(parts.map((part, i) => (i % 2 === 0 ? Buffer.from(part) : this.#valueOf(part))))
  }

  #templateOf(body: Buffer): JsonText | undefined {
    if (!isUtf8(body)) return undefined
    const { value: sample } = cutString(body, ['file', 'data'])
    const text = sample && sample.length > 0 ? this.#withoutSample(body, sample) : body
    if (text.length > LARGEST_TEXT) return undefined
    try {
      const json = parseText(text.toString('utf8'))
      return parseText(this.#withoutSecrets(json))
    } catch (error: unknown) {
      if (error instanceof InvalidMessageError) return undefined
      throw error
    }
  }

  #withoutSample(body: Buffer, sample: Buffer): Buffer {
    const from = sample.byteOffset - body.byteOffset - 1
    const to = from + sample.length + 2
    const placeholder = this.#hide(body.subarray(from, to), `the sample, ${sample.length} characters of base64`)
    return Buffer.concat([body.subarray(0, from), Buffer.from(placeholder), body.subarray(to)])
  }

  #withoutSecrets(json: JsonText): string {
    let { text } = json
    for (const { node, label } of secretsIn(json.root).reverse()) {
      if (this.#hidden.has(sourceOf(json, node))) continue // the sample
      const [from, to] = rangeOf(node)
      text = text.slice(0, from) + this.#hide(Buffer.from(sourceOf(json, node)), label) + text.slice(to)
    }
    return text
  }

  #hide(value: Buffer, label: string): string {
    const placeholder = JSON.stringify(`[hidden ${this.#nonce}-${this.#hidden.size + 1}: ${label}]`)
    this.#hidden.set(placeholder, value)
    return placeholder
  }

  #valueOf(placeholder: string): Buffer {
    const value = this.#hidden.get(placeholder)
    if (value === undefined) throw new InvalidMessageError('text', 'has a placeholder that was changed')
    return value
  }

  #check({ root }: JsonText): void {
    const used = new Set<string>()
    for (const text of textsIn(root)) {
      if (!text.includes(`hidden ${this.#nonce}`)) continue
      const placeholder = JSON.stringify(text)
      if (!this.#hidden.has(placeholder) || used.has(placeholder)) {
        throw new InvalidMessageError('text', 'has a placeholder that was changed or duplicated')
      }
      used.add(placeholder)
    }
  }
}

interface Secret {
  readonly node: ValueNode
  /** What may be said of it. */
  readonly label: string
}

/** Front to back. */
function secretsIn(node: ValueNode, name = ''): Secret[] {
  if (isSecretName(name) && !isEmptyText(node)) return [{ node, label: name }]
  if (node.type === 'Object') return node.members.flatMap(member => secretsIn(member.value, nameOf(member)))
  if (node.type === 'Array') return node.elements.flatMap(({ value }) => secretsIn(value))
  if (node.type !== 'String') return []
  const shown = redactText(node.value)
  return shown === node.value ? [] : [{ node, label: shown }]
}

function isEmptyText(node: ValueNode): boolean {
  return node.type === 'Null' || (node.type === 'String' && node.value === '')
}

/** Names included. */
function textsIn(node: ValueNode): string[] {
  if (node.type === 'String') return [node.value]
  if (node.type === 'Object') return node.members.flatMap(member => [nameOf(member), ...textsIn(member.value)])
  return node.type === 'Array' ? node.elements.flatMap(({ value }) => textsIn(value)) : []
}
