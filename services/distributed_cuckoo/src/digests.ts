/** MD5 and SHA-256 of files on disk, in a thread of its own: 10 MB take some 20 ms, in which the server would answer nobody. */
import { createHash } from 'node:crypto'
import { Worker } from 'node:worker_threads'

export interface Digests {
  /** In lower-case hexadecimal digits. */
  readonly md5: string
  readonly sha256: string
}

/** A thread takes some 10 MB of memory. */
const IDLE_MS = 10_000

interface Waiting {
  readonly resolve: (digests: Digests) => void
  readonly reject: (error: unknown) => void
}

/** The digests of bytes that are in memory. */
export function digestsOf(bytes: Uint8Array): Digests {
  const [md5 = '', sha256 = ''] = ['md5', 'sha256'].map(name => createHash(name).update(bytes).digest('hex'))
  return { md5, sha256 }
}

/** Begins its thread with the first file, and ends it when there was none for a while. It keeps no process alive. */
export class DigestThread {
  #worker: Worker | undefined
  #idle: NodeJS.Timeout | undefined
  /** In the order in which the files were handed over, which is that of the answers. */
  #waiting: Waiting[] = []

  /** Rejects with the error of the file system. */
  digestsOf(path: string): Promise<Digests> {
    clearTimeout(this.#idle)
    this.#worker ??= this.#start()
    const worker = this.#worker
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      worker.postMessage(path)
    })
  }

  #start(): Worker {
    const worker = new Worker(`(${serve})()`, {
      eval: true,
      execArgv: [],
      env: {},
      resourceLimits: { maxOldGenerationSizeMb: 16 },
    })
    worker.unref()
    worker.on('message', (digests: Digests) => {
      this.#waiting.shift()?.resolve(digests)
      if (this.#waiting.length === 0) this.#idle = setTimeout(() => this.#stop(worker), IDLE_MS).unref()
    })
    worker.on('error', error => this.#ended(worker, error))
    worker.on('exit', () => this.#ended(worker, new Error('the thread that digests files ended')))
    return worker
  }

  /** A file that comes while it ends gets a new one. */
  #stop(worker: Worker): void {
    this.#worker = undefined
    void worker.terminate()
  }

  #ended(worker: Worker, error: unknown): void {
    if (worker !== this.#worker) return
    this.#worker = undefined
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }
}

/** What the thread does. It is handed over as text, so that it sees nothing of this file. */
async function serve(): Promise<void> {
  const { createHash } = await import('node:crypto')
  const { closeSync, openSync, readSync } = await import('node:fs')
  const { parentPort } = await import('node:worker_threads')
  const buffer = Buffer.allocUnsafe(2 ** 18)
  parentPort?.on('message', (path: string) => {
    const [md5, sha256] = [createHash('md5'), createHash('sha256')]
    const file = openSync(path, 'r')
    try {
      for (let bytes = readSync(file, buffer); bytes > 0; bytes = readSync(file, buffer)) {
        for (const hash of [md5, sha256]) hash.update(buffer.subarray(0, bytes))
      }
    } finally {
      closeSync(file)
    }
    parentPort?.postMessage({ md5: md5.digest('hex'), sha256: sha256.digest('hex') })
  })
}
