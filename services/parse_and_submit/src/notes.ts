// The notes that parse_and_submit makes on a message.
import { asNumber, asTexts, type Note } from '@cuckoo-distributed/core'

/** How far an instance got with a message; valid only for the same queue and the same plan. */
export interface Progress {
  readonly queue: string
  readonly digest: string
  readonly rows: number
  readonly files: number
}

export const PROGRESS: Note<Progress> = { header: 'x-progress', read: readProgress }

/** Consumer queues of the instances that have handled the message. */
export const VISITED: Note<string[]> = { header: 'x-visited', read: asTexts }

/** Bytes of results that earlier instances of a chain have stored in CRITs for the analysis. */
export const STORED_BYTES: Note<number> = { header: 'x-stored-bytes', read: asNumber }

function readProgress(value: unknown): Progress | undefined {
  const { queue, digest, rows, files }: Partial<Record<keyof Progress, unknown>> = Object(value)
  if (typeof queue !== 'string' || typeof digest !== 'string') return undefined
  return { queue, digest, rows: asNumber(rows) ?? 0, files: asNumber(files) ?? 0 }
}
