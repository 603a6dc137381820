// The format of a dump: what is written for a message that is not tried again, and what can be put back to work.

import { createHash } from 'node:crypto'
import {
  decodeFailedMessage,
  type FailureEntry,
  failedToWire,
  type HeaderTable,
  InvalidMessageError,
  type MessageHeaders,
  parseJson,
  readHeaders,
  validator,
  writeHeaders,
} from '@cuckoo-distributed/core'
import Type from 'typebox'
import type { Content } from './dump.js'
import { DUE, type Failed } from './failed-message.js'

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
const isHistory = validator(
  Type.Object({
    History: Type.Array(Type.Object({ At: Type.String(), Service: Type.String(), Error: Type.String() })),
  }),
)

/**
 * The name of a dump: when the message failed, and a digest of the bytes that the overseer received, so that a message
 * that is delivered again lands on the same file. `failedAt` comes from the message and counts only in our own form.
 */
export function dumpName(failedAt: string, received: Buffer, extension: 'json' | 'bin'): string {
  const digest = createHash('sha256').update(received).digest('hex').slice(0, 32)
  const isTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(failedAt)
  return `${isTime ? `${failedAt.replaceAll(/[-:]/g, '')}-` : ''}${digest}.${extension}`
}

/** Of this suite, or of the Go suite (`cynexit/cuckoo_distributed:overseer/overseer.go`): seconds and a counter. */
export function isDumpName(name: string): boolean {
  return /^((\d{8}T\d{6}\.\d{3}Z-)?[0-9a-f]{32}\.(json|bin)|\d+_\d+)$/.test(name)
}

/**
 * A FailedMsg as the Go suite writes it, plus `Attempts`, `History` and `Headers` (those that travel when the message
 * is put back to work); `MsgBase64` in place of `Msg` for a body that is not UTF-8.
 */
export function encodeDump(failed: Failed, headers: MessageHeaders): Content {
  const dump = {
    ...failedToWire(failed),
    Attempts: headers.attempts,
    History: toHistory(headers.failures),
    Headers: revivedHeaders({ ...headers, failures: [] }),
  }
  return {
    *[Symbol.iterator]() {
      yield Buffer.from(`${JSON.stringify(dump, null, 2).slice(0, -2)},\n  `)
      yield* failed.body.toMember()
      yield Buffer.from('\n}\n')
    },
  }
}

/**
 * Reads a dump of ours or a FailedMsg as the Go suite dumped it; an editor may have put a byte order mark before it.
 * Throws InvalidMessageError for anything else.
 */
export function decodeDump(bytes: Buffer): RevivedMessage {
  const hasMark = bytes.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK)
  const text = hasMark ? bytes.subarray(BYTE_ORDER_MARK.length) : bytes
  const wire = parseJson(text)
  const own = isOwnDump(wire) ? wire : undefined
  const headers = revivedHeaders({
    ...readHeaders(own?.Headers),
    failures: historyOf(wire),
  })
  if (own?.MsgBase64 !== undefined) return { queue: own.Queue, body: fromBase64(own.MsgBase64), headers }
  const { queue, body } = decodeFailedMessage(text)
  return { queue, body, headers }
}

const BYTE_ORDER_MARK = Buffer.from('\ufeff')

function toHistory(failures: readonly FailureEntry[]): unknown {
  return failures.map(({ at, service, error }) => ({ At: at, Service: service, Error: error }))
}

/** The member `History` of a dump; none in one of the Go suite. */
export function historyOf(dump: unknown): FailureEntry[] {
  if (!isHistory(dump)) return []
  return dump.History.map(entry => ({ at: entry.At, service: entry.Service, error: entry.Error }))
}

/** A message that is put back to work starts with a fresh count, and keeps its history. */
function revivedHeaders({ notes, seen, failures }: MessageHeaders): HeaderTable {
  return writeHeaders({ notes: notes.with(DUE, undefined), seen, failures, attempts: 0, permanent: false })
}

/** Node's decoder skips what is not base64; an edited dump must not lose bytes without a word. */
function fromBase64(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.toString('base64') !== text) throw new InvalidMessageError('MsgBase64', 'is not base64')
  return bytes
}
