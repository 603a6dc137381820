// What a dump says of itself without the message in it, read from the front of its file: two thousand of them in a moment,
// whatever samples they hold.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { errorCode, type FailureEntry, readHeaders, redactText } from '@cuckoo-distributed/core'
import { JsonError, JsonReader, type Node, type ObjectNode } from '@cuckoo-distributed/json-scanner'
import { claimedName } from '../claim.js'
import { historyOf, isDumpName } from '../dump-file.js'
import { RESUBMITTED, type Resubmissions } from '../resubmissions.js'
import { dumpOfMark, readMark, type SendingMark } from '../sending-mark.js'

export interface Dump {
  readonly name: string
  /** What the file is called at present: something else while it is in somebody's hands. */
  readonly file: string
  readonly bytes: number
  /** When it failed, in milliseconds since 1970; when the file was written, where the dump does not tell. */
  readonly at: number
  /** Undefined for what is no failed message. */
  readonly failed: FailedEnvelope | undefined
  /** A resubmission that has not ended: under way, or cut off. The message may have been sent. */
  readonly sending: SendingMark | undefined
}

export interface FailedEnvelope {
  readonly service: string
  readonly queue: string
  /** `Desc`; text of any kind from a Go stage. */
  readonly code: string
  readonly error: string
  /** Undefined in dumps of the Go suite. */
  readonly attempts: number | undefined
  readonly history: readonly FailureEntry[]
  readonly resubmissions: Resubmissions | undefined
}

const HEAD_BYTES = 64 * 1024
/** Files between two moments for other work. */
const AT_A_TIME = 64
/** Texts of Go stages have no limit of their own. */
const LONGEST_TEXT = 4096

/** Every dump in the directory, oldest first; none while the directory is missing. Throws the errors of the file system. */
export async function listDumps(dir: string): Promise<Dump[]> {
  const entries = await readdir(dir, { withFileTypes: true }).catch((error: unknown) => {
    if (errorCode(error) !== 'ENOENT') throw error
    return [] // no overseer has run yet
  })
  const marked = new Set(entries.map(({ name }) => dumpOfMark(name)))
  const dumps: Dump[] = []
  // A thread for each call on each file would take five times as long.
  const buffer = Buffer.allocUnsafe(HEAD_BYTES)
  for (const [i, entry] of entries.entries()) {
    const name = claimedName(entry.name) ?? entry.name
    if (!entry.isFile() || !isDumpName(name)) continue
    if (i % AT_A_TIME === 0) await setImmediate()
    const found = readDump(join(dir, entry.name), buffer)
    const sending = marked.has(name) ? await readMark(dir, name) : undefined
    if (found) dumps.push({ name, file: entry.name, sending, ...found })
  }
  return dumps.sort((a, b) => a.at - b.at || a.name.localeCompare(b.name))
}

/** Undefined when it is gone. */
function readDump(path: string, buffer: Buffer): Pick<Dump, 'bytes' | 'at' | 'failed'> | undefined {
  let fd: number | undefined
  try {
    fd = openSync(path, 'r')
    const { size, mtimeMs } = fstatSync(fd)
    const { failed, failedAt } = readEnvelope(chunks(fd, size, buffer))
    const at = Date.parse(failedAt)
    return { bytes: size, at: Number.isNaN(at) ? Math.floor(mtimeMs) : at, failed }
  } catch (error: unknown) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

function* chunks(fd: number, size: number, buffer: Buffer): Generator<Buffer, void, undefined> {
  for (let position = 0; position < size; ) {
    const length = readSync(fd, buffer, 0, buffer.length, position)
    if (length === 0) return
    position += length
    yield buffer.subarray(0, length)
  }
}

function readEnvelope(bytes: Iterable<Buffer>): {
  readonly failed: FailedEnvelope | undefined
  readonly failedAt: string
} {
  const found = new Map<string, unknown>()
  const reader = new JsonReader(envelopeSchema(found), { maxStringBytes: LONGEST_TEXT })
  const isComplete = () => ENVELOPE.every(key => found.has(key)) && found.has('body')
  try {
    for (const chunk of bytes) {
      reader.push(chunk)
      if (isComplete()) break
    }
  } catch (error: unknown) {
    if (!(error instanceof JsonError)) throw error
  }
  const text = (key: string) => (typeof found.get(key) === 'string' ? String(found.get(key)) : '')
  if (!isComplete() || text('Queue') === '') return { failed: undefined, failedAt: '' }
  const attempts = found.get('Attempts')
  const headers = found.get('Headers')
  const { notes } = readHeaders(isRecord(headers) ? headers : {})
  return {
    failedAt: text('FailedAt'),
    failed: {
      service: redactText(text('Service')),
      queue: text('Queue'),
      code: redactText(text('Desc')),
      error: redactText(text('Error')),
      attempts: typeof attempts === 'number' ? attempts : undefined,
      history: historyOf({ History: found.get('History') }).map(shown),
      resubmissions: notes.get(RESUBMITTED),
    },
  }
}

/** Errors of Go stages are kept as they came. */
function shown({ at, service, error }: FailureEntry): FailureEntry {
  return { at, service, error: redactText(error) }
}

const ENVELOPE = ['Service', 'Queue', 'Error', 'Desc']

function envelopeSchema(found: Map<string, unknown>): ObjectNode {
  const fields = new Map<string, Node>()
  for (const key of [...ENVELOPE, 'FailedAt', 'Attempts', 'History', 'Headers']) {
    const set = (item: unknown) => void found.set(key, item)
    fields.set(key, { scalar: set, container: set, unreadable: () => undefined })
  }
  for (const key of ['Msg', 'MsgBase64']) {
    fields.set(key, { begin: () => void found.set('body', true), bytes: () => undefined })
  }
  return { fields }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
