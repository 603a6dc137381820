// A sample that stayed in CRITs, read into a file that nobody else can open.
import { tmpdir } from 'node:os'
import { PermanentError } from '@cuckoo-distributed/core'
import { SampleError, type SampleErrorCode } from '@cuckoo-distributed/crits-client'
import { stageEntry } from '@cuckoo-distributed/staging'
import type { Sample } from './sample.js'

/** Asking again would give the same answer. */
const FINAL: ReadonlySet<SampleErrorCode> = new Set(['SAMPLE_NOT_FOUND', 'SAMPLE_EMPTY', 'SAMPLE_TOO_LARGE'])

/**
 * Writes what CRITs sends to an unlinked file (mode 0600) in `directory`, empty meaning the system's. The file is gone
 * when the sample is disposed of, or with the process.
 *
 * Throws PermanentError when CRITs has no such sample, none of its bytes, or too many; else what `content` throws, and
 * StagingError.
 */
export async function storeSample(content: AsyncIterable<Buffer>, directory: string): Promise<Sample> {
  try {
    const source = { name: 'sample', stream: () => content }
    const staged = await stageEntry(source, directory || tmpdir(), Buffer.alloc(0))
    return { ...staged, md5: async () => staged.md5 }
  } catch (error: unknown) {
    const isFinal = error instanceof SampleError && FINAL.has(error.code)
    throw isFinal ? new PermanentError(error.code, error.message, { cause: error }) : error
  }
}
