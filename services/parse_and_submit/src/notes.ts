// The notes that parse_and_submit makes on a message.
import { asNumber, asTexts, type Note } from '@cuckoo-distributed/core'

/** A file whose upload failed although CRITs was well. */
export interface UploadTry {
  /** Its place in the archive, counted from 1. */
  readonly file: number
  readonly count: number
  /** When it was tried last, in milliseconds since 1970. */
  readonly at: number
}

/** How far an instance got with a message; valid only for the same queue and the same plan. */
export interface Progress {
  readonly queue: string
  readonly digest: string
  /** Rows that are done, in posting order. */
  readonly rows: number
  /** So many files of the archive are done, those in `tries` excepted. */
  readonly files: number
  /** Places in the archive of files that CRITs does not have: there is no row for them. */
  readonly missing: readonly number[]
  readonly tries: readonly UploadTry[]
  /** What the sandbox has and could not send, by task: captures and archives besides that of dropped files. */
  readonly skipped: readonly string[]
  /** An upload has succeeded since the first of `tries`: uploads as such are well. */
  readonly uploadsWork: boolean
  /** Nothing is left but files in `tries`, and none is due before, in milliseconds since 1970. */
  readonly due: number
}

export const NO_PROGRESS = {
  rows: 0,
  files: 0,
  missing: [],
  tries: [],
  skipped: [],
  uploadsWork: false,
  due: 0,
} as const

export const PROGRESS: Note<Progress> = { header: 'x-progress', read: readProgress }

/** Consumer queues of the instances that have handled the message. */
export const VISITED: Note<string[]> = { header: 'x-visited', read: asTexts }

/** Bytes of results that earlier instances of a chain have stored in CRITs for the analysis. */
export const STORED_BYTES: Note<number> = { header: 'x-stored-bytes', read: asNumber }

function readProgress(value: unknown): Progress | undefined {
  const { queue, digest, rows, files, missing, tries, skipped, uploadsWork, due }: Fields<Progress> = Object(value)
  if (typeof queue !== 'string' || typeof digest !== 'string') return undefined
  return {
    queue,
    digest,
    rows: asNumber(rows) ?? 0,
    files: asNumber(files) ?? 0,
    missing: list(missing)
      .filter(file => asNumber(file) !== undefined)
      .map(Number),
    tries: list(tries).flatMap(readTry),
    skipped: list(skipped).filter(part => typeof part === 'string'),
    uploadsWork: uploadsWork === true,
    due: asNumber(due) ?? 0,
  }
}

function readTry(value: unknown): UploadTry[] {
  const { file, count, at }: Fields<UploadTry> = Object(value)
  const place = asNumber(file)
  return place === undefined ? [] : [{ file: place, count: asNumber(count) ?? 0, at: asNumber(at) ?? 0 }]
}

type Fields<T> = Partial<Record<keyof T, unknown>>

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}
