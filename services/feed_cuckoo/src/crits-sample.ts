// A sample that stayed in CRITs, read into a file that nobody else can open.
import { createHash, randomUUID } from 'node:crypto'
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PermanentError } from '@cuckoo-distributed/core'
import { SampleError, type SampleErrorCode } from '@cuckoo-distributed/crits-client'
import type { Sample } from './sample.js'

const READ_BYTES = 65_536

/** Asking again would give the same answer. */
const FINAL: ReadonlySet<SampleErrorCode> = new Set(['SAMPLE_NOT_FOUND', 'SAMPLE_EMPTY', 'SAMPLE_TOO_LARGE'])

/**
 * Writes what CRITs sends to an unlinked file (mode 0600) in `directory`, empty meaning the system's. The file is gone
 * when the sample is disposed of, or with the process.
 *
 * Throws PermanentError when CRITs has no such sample, none of its bytes, or too many; else what `content` throws, and the
 * errors of the file system.
 */
export async function storeSample(content: AsyncIterable<Buffer>, directory: string): Promise<Sample> {
  const file = await openUnlinked(directory === '' ? tmpdir() : directory)
  try {
    const hash = createHash('md5')
    let size = 0
    for await (const chunk of content) {
      hash.update(chunk)
      await file.writeFile(chunk)
      size += chunk.length
    }
    const md5 = hash.digest('hex')
    return { size, md5: async () => md5, open: () => readAll(file), [Symbol.asyncDispose]: () => file.close() }
  } catch (error: unknown) {
    await file.close()
    const isFinal = error instanceof SampleError && FINAL.has(error.code)
    throw isFinal ? new PermanentError(error.code, error.message, { cause: error }) : error
  }
}

async function openUnlinked(directory: string): Promise<FileHandle> {
  const path = join(directory, `feed_cuckoo-${randomUUID()}`)
  const file = await open(path, 'wx+', 0o600)
  await unlink(path)
  return file
}

/** Reads by position: a stream that an upload gives up in the middle would close the file, and a retry needs it. */
async function* readAll(file: FileHandle): AsyncGenerator<Buffer, void, undefined> {
  for (let position = 0; ; ) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(READ_BYTES), 0, READ_BYTES, position)
    if (bytesRead === 0) return
    position += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}
