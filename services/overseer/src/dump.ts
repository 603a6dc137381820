// Writes dumps: what is written survives a power cut, and a directory that cannot be written to is waited for.
import { join } from 'node:path'
import type { Logger } from '@cuckoo-distributed/core'
import { writeDurably } from '@cuckoo-distributed/staging'
import { type BackOffOptions, backOff, delay } from '@cuckoo-distributed/wait'

export interface DumpWriterOptions {
  readonly dir: string
  /** How many messages may wait at a time for a directory that cannot be written to, and how many bytes they may hold. */
  readonly maxWaiting: number
  readonly maxWaitingBytes: number
  readonly log: Logger
  /** Between two tries of a waiting message. Default 0.5 s to 30 s. */
  readonly pauses?: BackOffOptions
}

/** What a dump consists of, front to back; read anew for each try. */
export type Content = Iterable<Uint8Array>

/** How long a message tries that may not wait: long enough that such messages do not go round without pause. */
const SHORT_WAIT_MS = 1000

export class DumpWriter {
  readonly #options: DumpWriterOptions
  #waiting = 0
  #waitingBytes = 0
  #failing = false

  constructor(options: DumpWriterOptions) {
    this.#options = options
  }

  /**
   * Resolves with true once the file is safely on disk, over an older one of that name. While the directory cannot be
   * written to it waits, and resolves with false when too many others wait already. `held`: bytes of the message that
   * waits with it. Rejects with `signal.reason`.
   */
  async write(name: string, content: Content, signal: AbortSignal, held = 0): Promise<boolean> {
    if (await this.#isWritten(name, content)) return true
    const { maxWaiting, maxWaitingBytes } = this.#options
    if (this.#waiting >= maxWaiting || this.#waitingBytes + held > maxWaitingBytes) {
      await delay(SHORT_WAIT_MS, signal)
      return this.#isWritten(name, content)
    }
    const pause = backOff(this.#options.pauses ?? { initialMs: 500, maxMs: 30_000 })
    this.#waiting += 1
    this.#waitingBytes += held
    try {
      do await delay(pause.next(), signal)
      while (!(await this.#isWritten(name, content)))
      return true
    } finally {
      this.#waiting -= 1
      this.#waitingBytes -= held
    }
  }

  async #isWritten(name: string, content: Content): Promise<boolean> {
    const { dir, log } = this.#options
    try {
      await writeDurably(join(dir, name), content)
      if (this.#failing) log.info('DumpDir can be written to again')
      this.#failing = false
      return true
    } catch (error: unknown) {
      if (!this.#failing) log.error({ err: error }, 'DumpDir cannot be written to; failed messages wait')
      this.#failing = true
      return false
    }
  }
}
