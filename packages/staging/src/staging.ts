// Keeps what was downloaded or unpacked in private files without a name, so that it is gone when the process is.
import { createHash, randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { abortable } from '@cuckoo-distributed/wait'
import { readFile } from './read-file.js'

/**
 * Why bytes could not be kept:
 * - `no-space`: the disk or the quota is full;
 * - `io`: another error of the file system, in `cause`;
 * - `length`: the input ended before or after the length that was announced;
 * - `too-large`: the input is longer than allowed.
 */
export type StagingErrorCode = 'no-space' | 'io' | 'length' | 'too-large'

/** Bytes that could not be kept in a temporary file. */
export class StagingError extends Error {
  readonly code: StagingErrorCode

  constructor(code: StagingErrorCode, message: string, options?: ErrorOptions) {
    super(`staging: ${message}`, options)
    this.name = 'StagingError'
    this.code = code
  }
}

/** Named bytes that are read once, such as an entry of an archive. */
export interface Source {
  readonly name: string
  stream(): AsyncIterable<Buffer>
}

/** A complete file without a name. It takes space on the disk until it is disposed of, which may be done twice. */
export interface StagedFile extends AsyncDisposable {
  readonly fd: number
  /** Bytes. */
  readonly size: number
}

/** A dropped file, complete and readable any number of times until it is disposed of, which may be done twice. */
export interface StagedEntry extends AsyncDisposable {
  readonly name: string
  /** Bytes. */
  readonly size: number
  /** Hexadecimal MD5 of the bytes. */
  readonly md5: string
  /** The bytes from the beginning; at a retry again. */
  open(): AsyncIterable<Buffer>
}

/** Limits and expectations for `stageArchive`. */
export interface StageOptions {
  /** Bytes there must be: the Content-Length of the answer. */
  readonly length?: number
  /** Bytes there may be. */
  readonly maxBytes: number
  readonly signal?: AbortSignal
}

/** Bytes that are written at a time. */
const BLOCK_BYTES = 524_288

const toStagingError = (error: unknown, tmpDir: string): StagingError => {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new StagingError('no-space', `no space left in ${tmpDir}`, { cause: error })
  return new StagingError('io', `a temporary file in ${tmpDir} failed: ${String(code ?? error)}`, { cause: error })
}

/** A temporary file that is written once, front to back. */
class TemporaryFile {
  readonly #handle: FileHandle
  readonly #tmpDir: string
  #closed: Promise<void> | undefined
  size = 0

  constructor(handle: FileHandle, tmpDir: string) {
    this.#handle = handle
    this.#tmpDir = tmpDir
  }

  /** Creates the file, readable by this user only, and takes its name away at once. */
  static async create(tmpDir: string): Promise<TemporaryFile> {
    const path = join(tmpDir, `.staged-${randomUUID()}`)
    let handle: FileHandle | undefined
    try {
      handle = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600)
      await unlink(path)
      return new TemporaryFile(handle, tmpDir)
    } catch (error: unknown) {
      await handle?.close()
      throw toStagingError(error, tmpDir)
    }
  }

  get fd(): number {
    return this.#handle.fd
  }

  async append(bytes: Buffer): Promise<void> {
    try {
      for (let written = 0; written < bytes.length; ) {
        written += (await this.#handle.write(bytes, written, bytes.length - written, this.size + written)).bytesWritten
      }
    } catch (error: unknown) {
      throw toStagingError(error, this.#tmpDir)
    }
    this.size += bytes.length
  }

  read(): AsyncIterable<Buffer> {
    return readFile(this.#handle.fd)
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#handle.close()
    return this.#closed
  }
}

/** Appends to a file in large blocks: one is written while the next is filled. */
class BlockWriter {
  readonly #file: TemporaryFile
  #block = Buffer.allocUnsafeSlow(BLOCK_BYTES)
  #other = Buffer.allocUnsafeSlow(BLOCK_BYTES)
  #used = 0
  #written: Promise<void> = Promise.resolve()

  constructor(file: TemporaryFile) {
    this.#file = file
  }

  /** Copies `bytes`; waits while both blocks are full. Rejects with the error of an earlier write. */
  async add(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const copied = bytes.copy(this.#block, this.#used, at)
      at += copied
      this.#used += copied
      if (this.#used === BLOCK_BYTES) await this.#write()
    }
  }

  /** Resolves when everything is written. */
  async end(): Promise<void> {
    await this.#write()
    await this.#written
  }

  async #write(): Promise<void> {
    await this.#written
    this.#written = this.#file.append(this.#block.subarray(0, this.#used))
    this.#written.catch(() => undefined) // whoever waits for this write next gets its error
    const full = this.#block
    this.#block = this.#other
    this.#other = full
    this.#used = 0
  }
}

/**
 * Writes `bytes` to a file in `tmpDir` as fast as they come.
 * @throws {StagingError} see `StagingErrorCode`; the reason of `signal`; what `bytes` throws
 */
export async function stageArchive(
  bytes: AsyncIterable<Buffer>,
  tmpDir: string,
  options: StageOptions,
): Promise<StagedFile> {
  const { length, maxBytes, signal } = options
  if (length !== undefined && length > maxBytes)
    throw new StagingError('too-large', `${length} bytes, ${maxBytes} are allowed`)
  const file = await TemporaryFile.create(tmpDir)
  const writer = new BlockWriter(file)
  let received = 0
  try {
    for await (const chunk of abortable(bytes, signal)) {
      received += chunk.length
      if (received > maxBytes) throw new StagingError('too-large', `more than ${maxBytes} bytes`)
      await writer.add(chunk)
    }
    await writer.end()
    if (length !== undefined && file.size !== length) {
      throw new StagingError('length', `${file.size} bytes came, ${length} were announced`)
    }
    return file
  } catch (error: unknown) {
    await file[Symbol.asyncDispose]()
    throw error
  }
}

/**
 * Reads one file to its end. If it fits it stays in `memory`, which may be used again when the entry is disposed of; else it goes to a file in `tmpDir`.
 * @throws {StagingError} `no-space` or `io`; what the entry's stream throws
 */
export async function stageEntry(entry: Source, tmpDir: string, memory: Buffer): Promise<StagedEntry> {
  const digest = createHash('md5')
  let file: TemporaryFile | undefined
  let size = 0
  try {
    for await (const chunk of entry.stream()) {
      digest.update(chunk)
      if (file === undefined && size + chunk.length > memory.length) {
        file = await TemporaryFile.create(tmpDir)
        await file.append(memory.subarray(0, size))
      }
      if (file === undefined) chunk.copy(memory, size)
      else await file.append(chunk)
      size += chunk.length
    }
  } catch (error: unknown) {
    await file?.[Symbol.asyncDispose]()
    throw error
  }
  return {
    name: entry.name,
    size,
    md5: digest.digest('hex'),
    open: async function* () {
      if (file !== undefined) yield* file.read()
      else if (size > 0) yield memory.subarray(0, size)
    },
    [Symbol.asyncDispose]: async () => file?.[Symbol.asyncDispose](),
  }
}
