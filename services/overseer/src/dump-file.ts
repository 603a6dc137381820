// The format of a dump: what is written for a message that is not tried again, and what can be put back to work.

import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import {
  decodeFailedMessage,
  type FailedMessage,
  type HeaderTable,
  InvalidMessageError,
  type MessageHeaders,
  parseJson,
  readHeaders,
  validator,
  writeHeaders,
} from '@cuckoo-distributed/core'
import Type from 'typebox'
import { DUE } from './failed-message.js'

/** A message as it goes back to work. */
export interface RevivedMessage {
  readonly queue: string
  readonly body: Buffer
  readonly headers: HeaderTable
}

/** Beside the fields of FailedMsg. */
const OwnDump = Type.Object({
  Queue: Type.String({ minLength: 1 }),
  MsgBase64: Type.Optional(Type.String()),
  Headers: Type.Record(Type.String(), Type.Unknown()),
})
const isOwnDump = validator(OwnDump)

/**
 * The name of a dump: when the message failed, and a digest of the bytes that the overseer received, so that a message
 * that is delivered again lands on the same file. `failedAt` comes from the message and counts only in our own form.
 */
export function dumpName(failedAt: string, received: Buffer, extension: 'json' | 'bin'): string {
  const digest = createHash('sha256').update(received).digest('hex').slice(0, 32)
  const isTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(failedAt)
  return `${isTime ? `${failedAt.replaceAll(/[-:]/g, '')}-` : ''}${digest}.${extension}`
}

/**
 * A FailedMsg as the Go suite writes it, plus `Attempts`, `History` and `Headers` (those that travel when the message
 * is put back to work); `MsgBase64` in place of `Msg` for a body that is not UTF-8.
 */
export function encodeDump(failed: FailedMessage, headers: MessageHeaders): Buffer {
  const body = isUtf8(failed.body)
    ? { Msg: failed.body.toString('utf8') }
    : { MsgBase64: failed.body.toString('base64') }
  const dump = {
    Service: failed.service,
    Queue: failed.queue,
    Error: failed.error,
    Desc: failed.desc,
    FailedAt: failed.failedAt,
    Attempts: headers.attempts,
    History: headers.failures.map(({ at, service, error }) => ({ At: at, Service: service, Error: error })),
    Headers: revivedHeaders(headers),
    ...body,
  }
  return Buffer.from(`${JSON.stringify(dump, null, 2)}\n`)
}

/** Reads a dump of ours or a FailedMsg as the Go suite dumped it. Throws InvalidMessageError for anything else. */
export function decodeDump(bytes: Buffer): RevivedMessage {
  const wire = parseJson(bytes)
  const own = isOwnDump(wire) ? wire : undefined
  if (own?.MsgBase64 !== undefined) {
    return { queue: own.Queue, body: fromBase64(own.MsgBase64), headers: ownHeaders(own.Headers) }
  }
  const { queue, body } = decodeFailedMessage(bytes)
  return { queue, body, headers: ownHeaders(own?.Headers) }
}

function ownHeaders(headers: Record<string, unknown> | undefined): HeaderTable {
  return revivedHeaders(readHeaders(headers))
}

/** A message that is put back to work starts with a fresh count. */
function revivedHeaders(headers: MessageHeaders): HeaderTable {
  const notes = headers.notes.with(DUE, undefined)
  return writeHeaders({ notes, seen: headers.seen, attempts: 0, failures: [], permanent: false })
}

/** Node's decoder skips what is not base64; an edited dump must not lose bytes without a word. */
function fromBase64(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.toString('base64') !== text) throw new InvalidMessageError('MsgBase64', 'is not base64')
  return bytes
}
