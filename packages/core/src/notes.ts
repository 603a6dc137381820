// What stages write on a message for themselves. Core carries notes without reading them, whichever service has the
// message in hand; the stage that a note belongs to declares its type.

/** The headers that hold notes, and how far each travels: on to the next stage, or with the message in its present one. */
export const NOTE_HEADERS = {
  'x-visited': 'next-stage',
  'x-stored-bytes': 'next-stage',
  traceparent: 'next-stage',
  'x-progress': 'message',
  'x-since': 'message',
  'x-due': 'message',
  'x-resubmitted': 'message',
} as const satisfies Readonly<Record<string, 'next-stage' | 'message'>>

export type NoteHeader = keyof typeof NOTE_HEADERS

/** One kind of note: a positive integer, or what JSON can hold. */
export interface Note<T> {
  readonly header: NoteHeader
  /** Undefined for a value that has not the note's shape: the note counts as absent. */
  read(value: unknown): T | undefined
}

/** Headers together must stay far under what one frame of AMQP takes. */
const MAX_CHARACTERS = 8 * 1024

/** The notes of one message. */
export class Notes {
  readonly #values: Partial<Record<NoteHeader, string | number>> = {}

  /** Takes the notes out of a message's headers. */
  constructor(headers: Readonly<Record<string, unknown>> = {}) {
    for (const header of noteHeaders) {
      const value = headers[header]
      if (isNumber(value) || isText(value)) this.#values[header] = value
    }
  }

  get<T>({ header, read }: Note<T>): T | undefined {
    const value = this.#values[header]
    return value === undefined ? undefined : read(isText(value) ? parseHeader(value) : value)
  }

  /** Undefined takes the note off. */
  set<T>({ header }: Note<T>, value: T | undefined): void {
    if (value === undefined) delete this.#values[header]
    else this.#values[header] = isNumber(value) ? value : JSON.stringify(value)
  }

  /** A copy with another value of one note. */
  with<T>(note: Note<T>, value: T | undefined): Notes {
    const copy = new Notes(this.#values)
    copy.set(note, value)
    return copy
  }

  /** The headers to publish. */
  toHeaders(upTo: 'next-stage' | 'message'): Record<string, string | number> {
    const entries = Object.entries(this.#values)
    if (upTo === 'message') return Object.fromEntries(entries)
    return Object.fromEntries(entries.filter(([header]) => isNoteHeader(header) && NOTE_HEADERS[header] === upTo))
  }
}

const noteHeaders = Object.keys(NOTE_HEADERS).filter(isNoteHeader)

function isNoteHeader(header: string): header is NoteHeader {
  return header in NOTE_HEADERS
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_CHARACTERS
}

/** The value of a header that holds JSON text; undefined for any other. */
export function parseHeader(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // written by somebody else: absent by definition
  }
}

/** Reads a note that is a count or a moment: a positive integer. */
export function asNumber(value: unknown): number | undefined {
  return isNumber(value) ? value : undefined
}

/** Reads a note that is a list of texts. */
export function asTexts(value: unknown): string[] | undefined {
  return Array.isArray(value) ? value.filter(entry => typeof entry === 'string') : undefined
}

/** Reads a note that is an object of numbers. */
export function asNumbers(value: unknown): Record<string, number> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, number] => Number.isFinite(entry[1])),
  )
}
