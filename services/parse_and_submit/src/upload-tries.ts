// Files whose upload fails while CRITs is well: tried again after a while, refused in the end, unless it is all uploads that fail.
import { ServiceError } from '@cuckoo-distributed/core'
import { CritsStatusError } from '@cuckoo-distributed/crits-client'
import type { Progress, UploadTry } from './notes.js'

/** Tries for one file, in all rounds together. */
const TRIES = 3

/** The progress must fit into a header. */
const FILES_MAX = 50

/** Two different files could not be uploaded, and none could be since: the file system of CRITs' database is full, say. */
export class UploadsRefusedError extends ServiceError {
  readonly sharedCause = true

  constructor(cause: unknown) {
    super('CRITS_UPLOADS_REFUSED', 'CRITs takes log lines, but no file: not one of several could be uploaded', {
      cause,
    })
  }
}

/** What an upload that failed means for its file. */
export type Verdict = { readonly kind: 'again' | 'refused'; readonly progress: Progress }

/** When a file that has failed may be tried again: at once, where the failure did not count and uploads work by now. */
export function dueAt({ uploadsWork }: Progress, { count, at }: UploadTry, pauseMs: number): number {
  return count === 0 && uploadsWork ? at : at + pauseMs
}

/** Whether a file may be tried now. */
export function isDue(progress: Progress, file: number, pauseMs: number, now: number): boolean {
  const known = progress.tries.find(one => one.file === file)
  return known === undefined || now >= dueAt(progress, known, pauseMs)
}

/** The progress once the upload of a file has succeeded, or it needed none. */
export function settled(progress: Progress, file: number, sent: boolean): Progress {
  const tries = progress.tries.filter(one => one.file !== file)
  return { ...progress, tries, uploadsWork: tries.length > 0 && (progress.uploadsWork || sent) }
}

/**
 * The progress once the upload of a file has failed although CRITs takes log lines.
 *
 * @param onRefusedByAll gets the progress to keep before UploadsRefusedError is thrown
 */
export function failed(
  progress: Progress,
  file: number,
  error: unknown,
  now: number,
  onRefusedByAll: (progress: Progress) => void,
): Verdict {
  const others = progress.tries.filter(one => one.file !== file)
  const count = 1 + (progress.tries.find(one => one.file === file)?.count ?? 0)
  const withTry = (list: readonly UploadTry[], counted: number) => ({
    ...progress,
    tries: [...list, { file, count: counted, at: now }],
  })
  if (others.length >= FILES_MAX || (others.length > 0 && !progress.uploadsWork)) {
    // None of these tries says anything about its file.
    onRefusedByAll(
      withTry(
        others.slice(-FILES_MAX).map(one => ({ ...one, count: 0 })),
        0,
      ),
    )
    throw new UploadsRefusedError(error)
  }
  // That CRITs itself fails at the file is no matter of time.
  const isOver = count >= TRIES || (progress.uploadsWork && error instanceof CritsStatusError)
  if (isOver) return { kind: 'refused', progress: { ...progress, tries: others } }
  return { kind: 'again', progress: withTry(others, count) }
}
