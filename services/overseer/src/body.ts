// The body of a failed message where it lies: in the message that wraps it, escapes as they are, or by itself. It may hold a
// sample, so it is read in pieces, and copied whole only to be published.
import { isUtf8 } from 'node:buffer'
import { type CritsData, critsDataOf, InvalidMessageError } from '@cuckoo-distributed/core'
import { JsonError, JsonReader } from '@cuckoo-distributed/json-scanner'

const PIECE_BYTES = 48 * 1024 // a multiple of 3: base64 of pieces is base64 of the whole
const SPACE = 0x20
const QUOTE = 0x22
const BACKSLASH = 0x5c
/** `\ud83d\ude00`: no escape, nor the two that make one character, is longer. */
const LONGEST_ESCAPE = 12

/** Whom a message is about. */
export interface BodySubject {
  /** Undefined when too little is said. */
  readonly crits: CritsData | undefined
  readonly taskId: number | undefined
}

/** As a log line names them. */
export function idsOf({ crits, taskId }: BodySubject) {
  return { analysisId: crits?.analysisId, md5: crits?.md5 || undefined, taskId }
}

export class Body {
  readonly #bytes: Buffer
  readonly #isEscaped: boolean

  private constructor(bytes: Buffer, isEscaped: boolean) {
    this.#bytes = bytes
    this.#isEscaped = isEscaped
  }

  static plain(bytes: Buffer): Body {
    return new Body(bytes, false)
  }

  /** The text of a JSON string, without its quotes. What is no such text is found when it is read. */
  static escaped(text: Buffer): Body {
    return new Body(text, true)
  }

  /** In pieces. Throws InvalidMessageError. */
  *pieces(): Generator<Buffer, void, undefined> {
    if (!this.#isEscaped) yield this.#bytes
    else for (const piece of textPieces(this.#bytes)) yield unescaped(piece)
  }

  /** Throws InvalidMessageError. */
  toBuffer(): Buffer {
    if (!this.#isEscaped) return this.#bytes
    const bytes = Buffer.allocUnsafeSlow(this.#bytes.length)
    let length = 0
    for (const piece of this.pieces()) length += piece.copy(bytes, length)
    return bytes.subarray(0, length)
  }

  /** As the last member of a dump: `"Msg": "…"`, or `"MsgBase64": "…"` for what is not UTF-8. */
  *toMember(): Generator<Buffer, void, undefined> {
    const isText = this.#isEscaped || isUtf8(this.#bytes)
    yield Buffer.from(isText ? '"Msg": "' : '"MsgBase64": "')
    if (this.#isEscaped) yield this.#bytes
    else if (isText) for (const piece of textPieces(this.#bytes)) yield escaped(piece)
    else for (const piece of equalPieces(this.#bytes)) yield Buffer.from(piece.toString('base64'))
    yield Buffer.from('"')
  }

  /** What it says about its analysis, valid or not. Reads all of it: throws InvalidMessageError. */
  findSubject(): BodySubject {
    const found = new Map<string, unknown>()
    const field = (key: string) => {
      const take = (value: unknown) => void found.set(key, value)
      return [key, key === 'TaskId' ? { scalar: take } : { container: take }] as const
    }
    const keys = ['CritsData', 'crits_data', 'TaskId'] as const
    let reader: JsonReader | undefined = new JsonReader({ fields: new Map(keys.map(field)) })
    for (const piece of this.pieces()) {
      try {
        reader?.push(piece)
      } catch (error: unknown) {
        if (!(error instanceof JsonError)) throw error
        reader = undefined // no message of ours; what was found before may do
      }
    }
    const taskId = found.get('TaskId')
    return {
      crits: critsDataOf(found.get('CritsData') ?? found.get('crits_data')),
      taskId: typeof taskId === 'number' ? taskId : undefined,
    }
  }
}

function* equalPieces(bytes: Buffer): Generator<Buffer, void, undefined> {
  for (let from = 0; from < bytes.length; from += PIECE_BYTES) yield bytes.subarray(from, from + PIECE_BYTES)
}

/** Pieces that end between two characters, however these are written. */
function* textPieces(text: Buffer): Generator<Buffer, void, undefined> {
  for (let from = 0; from < text.length; ) {
    let to = Math.min(from + PIECE_BYTES, text.length)
    while (to < text.length && !isBetween(text, to)) to += 1
    yield text.subarray(from, to)
    from = to
  }
}

function isBetween(text: Buffer, at: number): boolean {
  return ((text[at] ?? 0) & 0xc0) !== 0x80 && !text.subarray(at - LONGEST_ESCAPE, at).includes(BACKSLASH)
}

function unescaped(piece: Buffer): Buffer {
  if (isPlain(piece)) return piece
  try {
    const text: unknown = JSON.parse(`"${piece.toString('utf8')}"`)
    return Buffer.from(String(text))
  } catch {
    throw new InvalidMessageError('Msg', 'is no JSON text')
  }
}

/** Stands for itself in a JSON text; of a sample nearly all does. */
function isPlain(piece: Buffer): boolean {
  for (const byte of piece) if (byte < SPACE || byte === BACKSLASH || byte === QUOTE) return false
  return true
}

function escaped(piece: Buffer): Buffer {
  return Buffer.from(JSON.stringify(piece.toString('utf8')).slice(1, -1))
}
