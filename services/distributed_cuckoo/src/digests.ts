/** MD5 and SHA-256 of files while they are written, in a thread of its own: 10 MB take some 20 ms, in which the server would answer nobody. */
import { createHash } from 'node:crypto'
import { Worker } from 'node:worker_threads'

export interface Digests {
  /** In lower-case hexadecimal digits. */
  readonly md5: string
  readonly sha256: string
}

/** The digests of bytes that are in memory. */
export function digestsOf(bytes: Uint8Array): Digests {
  const [md5 = '', sha256 = ''] = ['md5', 'sha256'].map(name => createHash(name).update(bytes).digest('hex'))
  return { md5, sha256 }
}

/** A file that grows. One of `end` and `drop` must be called. */
export interface GrowingFile {
  /** So many bytes are in it now. */
  grown(bytes: number): void
  /** It has all its bytes, so many. Rejects when they cannot be read. */
  end(bytes: number): Promise<Digests>
  /** Nobody wants the digests any more; the file may be gone. */
  drop(): void
}

/** A thread takes some 10 MB of memory. */
const IDLE_MS = 10_000

interface Question {
  readonly id: number
  readonly path: string
  readonly bytes: number
  readonly state: 'growing' | 'ended' | 'dropped'
}

interface Answer {
  readonly id: number
  readonly digests?: Digests
  readonly error?: Error
}

interface Waiting {
  readonly resolve: (digests: Digests) => void
  readonly reject: (error: unknown) => void
}

/** Begins its thread with the first file, and ends it when there was none for a while. It keeps the process alive only while it has one. */
export class DigestThread {
  #worker: Worker | undefined
  #idle: NodeJS.Timeout | undefined
  #lastId = 0
  readonly #open = new Map<number, Waiting>()

  /** The file must exist. */
  begin(path: string): GrowingFile {
    clearTimeout(this.#idle)
    this.#worker ??= this.#start()
    const worker = this.#worker
    worker.ref()
    this.#lastId += 1
    const id = this.#lastId
    const digests = new Promise<Digests>((resolve, reject) => this.#open.set(id, { resolve, reject }))
    // It is heard at the end.
    digests.catch(() => {})
    const tell = (state: Question['state'], bytes: number) => worker.postMessage({ id, path, bytes, state })
    return {
      grown: bytes => tell('growing', bytes),
      end: bytes => {
        tell('ended', bytes)
        return digests
      },
      drop: () => {
        tell('dropped', 0)
        this.#close(id)
      },
    }
  }

  #start(): Worker {
    const worker = new Worker(`(${serve})()`, {
      eval: true,
      execArgv: [],
      env: {},
      resourceLimits: { maxOldGenerationSizeMb: 16 },
    })
    worker.on('message', ({ id, digests, error }: Answer) => {
      const waiting = this.#open.get(id)
      if (digests === undefined) waiting?.reject(error)
      else waiting?.resolve(digests)
      this.#close(id)
    })
    worker.on('error', error => this.#ended(worker, error))
    worker.on('exit', () => this.#ended(worker, new Error('the thread that digests files ended')))
    return worker
  }

  #close(id: number): void {
    this.#open.delete(id)
    clearTimeout(this.#idle)
    if (this.#open.size > 0) return
    this.#worker?.unref()
    this.#idle = setTimeout(() => this.#stop(), IDLE_MS).unref()
  }

  /** A file that comes while the thread ends gets a new one. */
  #stop(): void {
    void this.#worker?.terminate()
    this.#worker = undefined
  }

  #ended(worker: Worker, error: unknown): void {
    if (worker !== this.#worker) return
    this.#worker = undefined
    for (const { reject } of this.#open.values()) reject(error)
    this.#open.clear()
  }
}

/** What the thread does. It is handed over as text, so that it sees nothing of this file. */
async function serve(): Promise<void> {
  const { createHash } = await import('node:crypto')
  const { closeSync, openSync, readSync } = await import('node:fs')
  const { parentPort } = await import('node:worker_threads')
  const buffer = Buffer.allocUnsafe(2 ** 18)
  const open = (path: string) => {
    return { fd: openSync(path, 'r'), position: 0, md5: createHash('md5'), sha256: createHash('sha256') }
  }
  const files = new Map<number, ReturnType<typeof open>>()

  const follow = ({ id, path, bytes, state }: Question): Digests | undefined => {
    if (state === 'dropped' && !files.has(id)) return undefined
    const file = files.get(id) ?? open(path)
    files.set(id, file)
    while (file.position < bytes) {
      const length = readSync(file.fd, buffer, 0, Math.min(buffer.length, bytes - file.position), file.position)
      if (length === 0) throw new RangeError('the file is shorter than what was written')
      file.position += length
      for (const digest of [file.md5, file.sha256]) digest.update(buffer.subarray(0, length))
    }
    if (state === 'growing') return undefined
    files.delete(id)
    closeSync(file.fd)
    return state === 'ended' ? { md5: file.md5.digest('hex'), sha256: file.sha256.digest('hex') } : undefined
  }

  parentPort?.on('message', (question: Question) => {
    try {
      const digests = follow(question)
      if (digests !== undefined) parentPort?.postMessage({ id: question.id, digests })
    } catch (error: unknown) {
      parentPort?.postMessage({ id: question.id, error })
    }
  })
}
