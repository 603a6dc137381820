/**
 * A directory on a disk that may go away: unmounted, read-only, full, or a network file system that hangs. None of that says
 * anything about the files in it; it is an outage of this server, until the directory is there again.
 */
import { statfs } from 'node:fs/promises'
import { type Logger, ServiceError } from '@cuckoo-distributed/core'
import { delay, orAbort } from '@cuckoo-distributed/wait'
import { hasCode, ownerOf } from './marker.js'
import { type Probe, type ProbeResult, probeDirectory } from './probe.js'

/** Bytes. */
export interface Space {
  readonly free: number
  readonly total: number
  readonly used: number
}

const PROBE_EVERY_MS = 5_000
/** A directory that is away is looked at more often. */
const AWAY_EVERY_MS = 1_000
/** A directory that says nothing for so long is away. */
const SILENT_MS = 10_000
const MISSING = /No such file/i
const FULL = /No space left|Disk quota exceeded/i
/** What a disk says of itself, and not of the one file that was asked for. */
const OF_THE_DISK = ['EROFS', 'EIO', 'ESTALE', 'ENOTCONN', 'ENODEV', 'ENXIO', 'EHOSTDOWN', 'ETIMEDOUT']

/**
 * A directory that this server shares cannot be used now: DIRECTORY_AWAY, or ENOSPC when it is ours but takes nothing more. Nothing is known of
 * the files in it.
 */
export class DirectoryAwayError extends ServiceError {}

interface Trouble {
  readonly error: DirectoryAwayError
  /** It is ours and can be read. */
  readonly isReadable: boolean
}

export interface SharedDirectoryOptions {
  readonly path: string
  /** What it is called: `samples` or `reports`. */
  readonly kind: string
  /** What its marker has to say. */
  readonly owner: string
  readonly log: Logger
}

export class SharedDirectory {
  readonly path: string
  readonly #options: SharedDirectoryOptions
  #trouble: Trouble | undefined
  #away = new AbortController()

  constructor(options: SharedDirectoryOptions) {
    this.path = options.path
    this.#options = options
  }

  /** Aborted (reason: DirectoryAwayError) while it cannot be read and written; another signal when it can again. */
  get away(): AbortSignal {
    return this.#away.signal
  }

  /** What is wrong with it, for operators; null = nothing. */
  get problem(): string | null {
    return this.#trouble?.error.message ?? null
  }

  /** @throws DirectoryAwayError when it is known that it cannot be read. */
  demandReadable(): void {
    if (this.#trouble !== undefined && !this.#trouble.isReadable) throw this.#trouble.error
  }

  /** @throws DirectoryAwayError when it is known that it cannot be written to. */
  demandWritable(): void {
    if (this.#trouble !== undefined) throw this.#trouble.error
  }

  /**
   * Looks at the marker now: what is there, or missing, counts only in our own directory. As nobody can ask a directory that hangs, this
   * may take as long as that is found out.
   *
   * @throws DirectoryAwayError
   */
  async check(): Promise<void> {
    this.demandReadable()
    let owner: string | undefined
    try {
      owner = await this.ask(ownerOf(this.path))
    } catch (error: unknown) {
      this.demandReadable()
      throw this.#lose(codeOf(error), { cause: error })
    }
    if (owner !== this.#options.owner) throw this.#lose(this.#foreign(owner))
  }

  /** The answer of the disk; stops waiting for it, with DirectoryAwayError, when the directory is away. */
  async ask<T>(answer: Promise<T>): Promise<T> {
    const { signal } = this.#away
    // One that is full, or read-only, can be asked all the same.
    if (!signal.aborted) return orAbort(answer, signal)
    this.demandReadable()
    return answer
  }

  /** Of the disk that it is on. @throws DirectoryAwayError */
  async space(): Promise<Space> {
    this.demandReadable()
    const { bavail, blocks, bsize } = await this.ask(statfs(this.path))
    return { free: bavail * bsize, total: blocks * bsize, used: (blocks - bavail) * bsize }
  }

  /** After an error of the file system: throws DirectoryAwayError if it is the directory's, and otherwise the error. */
  async blame(error: unknown): Promise<never> {
    // What a client does has no call to the system in it.
    if (error instanceof DirectoryAwayError || !(error instanceof Error && 'syscall' in error)) throw error
    if (hasCode(error, ...OF_THE_DISK)) {
      throw this.#lose(codeOf(error), { cause: error, isReadable: hasCode(error, 'EROFS') })
    }
    await this.check()
    throw error
  }

  /** Looks at the directory now and then, until the signal is aborted; rejects with its reason then. */
  async watch(signal: AbortSignal): Promise<never> {
    for (;;) {
      const probe = probeDirectory(this.path)
      try {
        this.#note(await this.#await(probe, signal))
      } finally {
        probe.end()
      }
      await delay(this.#trouble === undefined ? PROBE_EVERY_MS : AWAY_EVERY_MS, signal)
    }
  }

  /** Waits for ever for one that hangs: a second one would hang as well. */
  async #await(probe: Probe, signal: AbortSignal): Promise<ProbeResult | undefined> {
    const silent = setTimeout(() => this.#lose('it does not answer'), SILENT_MS)
    try {
      return await orAbort(probe.result, signal)
    } finally {
      clearTimeout(silent)
    }
  }

  #note(result: ProbeResult | undefined): void {
    if (result === undefined) return
    const { marker, error } = result
    if (marker === this.#options.owner && error === null) this.#found()
    else if (marker === this.#options.owner)
      this.#lose(error ?? '', { isReadable: true, isFull: FULL.test(error ?? '') })
    else this.#lose(this.#foreign(MISSING.test(error ?? '') ? undefined : marker, error))
  }

  #foreign(owner: string | undefined, error: string | null = null): string {
    if (error !== null && owner !== undefined) return `its marker cannot be read: ${error}`
    if (owner === undefined) return 'its marker is missing, as in the mount point of a disk that is not mounted'
    return owner === '' ? 'its marker is empty' : 'it belongs to another database'
  }

  #lose(
    why: string,
    { cause, isReadable = false, isFull = false }: { cause?: unknown; isReadable?: boolean; isFull?: boolean } = {},
  ): DirectoryAwayError {
    const { kind, path, log } = this.#options
    const message = `the ${kind} directory cannot be used: ${why}`
    const error = new DirectoryAwayError(isFull ? 'ENOSPC' : 'DIRECTORY_AWAY', message, { cause })
    const about = { directory: path, holds: kind, problem: why }
    if (this.#trouble?.error.message !== message) log.error(about, 'a directory is away')
    this.#trouble = { error, isReadable }
    this.#away.abort(error)
    return error
  }

  #found(): void {
    if (this.#trouble === undefined) return
    this.#trouble = undefined
    this.#away = new AbortController()
    this.#options.log.warn({ directory: this.path, holds: this.#options.kind }, 'a directory is back')
  }
}

/** Paths of this machine are for its log only. */
function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'it cannot be read'
}
