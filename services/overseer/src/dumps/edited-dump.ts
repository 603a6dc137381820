// A dump with another queue or another message in it, all else as it was.
import { isUtf8 } from 'node:buffer'
import { critsDataOf, decodeTask, InvalidMessageError, parseJson } from '@cuckoo-distributed/core'
import { cutString } from '@cuckoo-distributed/json-scanner'
import type { ValueNode } from '@humanwhocodes/momoa'
import { decodeDump } from '../dump-file.js'
import { type JsonText, nameOf, parseText, rangeOf } from './json-text.js'
import { MessageText } from './message-text.js'

export class EditableDump {
  readonly #bytes: Buffer
  readonly #queue: string
  readonly #body: Buffer
  readonly #message: MessageText

  /** `nonce`: as for `MessageText`. Throws InvalidMessageError for what is no failed message. */
  constructor(bytes: Buffer, nonce?: string) {
    const { queue, body } = decodeDump(bytes)
    this.#bytes = bytes
    this.#queue = queue
    this.#body = body
    this.#message = new MessageText(body, nonce)
  }

  /** What is edited: queue and message, as JSON. */
  get text(): string {
    const message = this.#message.readable.replaceAll('\n', '\n  ')
    return `{\n  "Queue": ${JSON.stringify(this.#queue)},\n  "Msg": ${message}\n}\n`
  }

  /** The bytes of the dump after the edit; undefined when nothing was changed. Throws InvalidMessageError. */
  withText(edited: string): Buffer[] | undefined {
    const { queue, message } = readEdited(edited)
    const body = this.#message.withChanges(message)
    const isSameBody = body.equals(this.#body)
    if (isSameBody && queue === this.#queue) return undefined
    if (!isSameBody) requireMessage(body)
    return withParts(this.#bytes, queue, isSameBody ? undefined : body)
  }
}

function readEdited(edited: string): { readonly queue: string; readonly message: JsonText } {
  const { text, root } = parseText(edited)
  const members = root.type === 'Object' ? root.members : []
  const member = (name: string) => members.find(each => nameOf(each) === name)?.value
  const [queue, message] = [member('Queue'), member('Msg')]
  if (members.length !== 2 || queue === undefined || message === undefined) {
    throw new InvalidMessageError('text', 'must have the members Queue and Msg, and no others')
  }
  if (queue.type !== 'String' || queue.value === '')
    throw new InvalidMessageError('Queue', 'must be the name of a queue')
  return { queue: queue.value, message: { text, root: message } }
}

/** As strict as the stages are with what they have in common. */
function requireMessage(body: Buffer): void {
  const wire = parseJson(body)
  if (typeof wire !== 'object' || wire === null) throw new InvalidMessageError('Msg', 'must be an object')
  if ('crits_data' in wire) {
    if (critsDataOf(wire.crits_data) === undefined) throw new InvalidMessageError('Msg.crits_data', 'is not complete')
  } else decodeTask(body)
}

/** The body of a dump is cut out while the rest is changed: it may be large, and is no part of the text then. */
function withParts(bytes: Buffer, queue: string, body: Buffer | undefined): Buffer[] {
  const key = ['Msg', 'MsgBase64'].find(name => cutString(bytes, [name]).value !== undefined)
  const { rest, value } = cutString(bytes, [key ?? ''])
  if (key === undefined || value === undefined || !isUtf8(rest)) {
    throw new InvalidMessageError('dump', 'is written in a way that is not edited here')
  }
  const mark = rest[0] === 0xef ? '\ufeff' : ''
  const json = parseText(rest.toString('utf8').slice(mark.length))
  const [from, to] = rangeOf(memberOf(json.root, 'Queue'))
  const [at] = rangeOf(memberOf(json.root, key))
  const name = JSON.stringify(queue)
  const text = json.text.slice(0, from) + name + json.text.slice(to)
  const inside = at + 1 + (from < at ? name.length - (to - from) : 0)
  const head = `${mark}${text.slice(0, inside)}`
  return [Buffer.from(head), body ? escapedAs(key, body) : value, Buffer.from(text.slice(inside))]
}

function escapedAs(key: string, body: Buffer): Buffer {
  return Buffer.from(key === 'Msg' ? JSON.stringify(body.toString('utf8')).slice(1, -1) : body.toString('base64'))
}

function memberOf(root: ValueNode, name: string): ValueNode {
  const member = root.type === 'Object' ? root.members.findLast(each => nameOf(each) === name) : undefined
  if (member === undefined) throw new InvalidMessageError(name, 'is missing')
  return member.value
}
