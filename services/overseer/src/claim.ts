// A file in somebody's hands: its name carries the time, renewed while it is held. One whose holder has died gets its name back.
import { randomBytes } from 'node:crypto'
import { readFile, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode } from '@cuckoo-distributed/core'
import { writeDurably } from '@cuckoo-distributed/staging'

const RENEW_MS = 30_000
/** Long enough for a holder that was stopped for a while. Whoever is stopped longer may cause a repeat, no loss. */
const EXPIRES_MS = 5 * 60_000
const CLAIM = /^\.claim-(?<at>\d+)x[0-9a-f]+-(?<name>.+)$/

/** What a file was called before it was claimed; undefined for one that is no claim. */
export function claimedName(file: string): string | undefined {
  return CLAIM.exec(file)?.groups?.name
}

/** What a claim that nobody renews becomes again; undefined for one that is held, and for all other files. */
export function expiredClaim(file: string, now = Date.now()): string | undefined {
  const { at, name } = CLAIM.exec(file)?.groups ?? {}
  // A clock that was set back must not make a claim last.
  return Math.abs(now - Number(at)) <= EXPIRES_MS ? undefined : name
}

export class Claim implements AsyncDisposable {
  readonly #dir: string
  readonly #name: string
  readonly #holder = randomBytes(6).toString('hex')
  readonly #timer: NodeJS.Timeout
  #path: string
  #renewed: Promise<void> = Promise.resolve()

  private constructor(dir: string, name: string, renewMs: number) {
    this.#dir = dir
    this.#name = name
    this.#path = join(dir, name)
    this.#timer = setInterval(() => {
      // It has expired and was given back: whatever comes next will say so.
      this.renew().catch(() => undefined)
    }, renewMs)
  }

  /** Undefined when somebody else was faster. Rejects with the error of the file system. */
  static async take(dir: string, name: string, renewMs = RENEW_MS): Promise<Claim | undefined> {
    const claim = new Claim(dir, name, renewMs)
    try {
      await claim.renew()
      return claim
    } catch (error: unknown) {
      clearInterval(claim.#timer)
      if (errorCode(error) === 'ENOENT') return undefined
      throw error
    }
  }

  /** The content of the file, between two renewals: each gives it another name. Rejects as `remove` does. */
  read(): Promise<Buffer> {
    const content = this.#renewed.then(() => readFile(this.#path))
    this.#renewed = content.then(
      () => undefined,
      () => undefined,
    )
    return content
  }

  /** Makes sure that the file is still in these hands. Rejects as `remove` does. */
  renew(): Promise<void> {
    const renewed = this.#renewed.then(() => this.#renew())
    this.#renewed = renewed.catch(() => undefined)
    return renewed
  }

  /** Another content for the file, which keeps its name. Rejects as `remove` does, and the file is as it was then. */
  async replace(content: Iterable<Uint8Array>): Promise<void> {
    const replaced = this.#renewed.then(async () => {
      await this.#renew()
      await writeDurably(this.#path, content)
    })
    this.#renewed = replaced.catch(() => undefined)
    await replaced
  }

  /** Rejects with the error of the file system; with ENOENT when the claim has expired and the name was given back. */
  async remove(): Promise<void> {
    await this[Symbol.asyncDispose]()
    await unlink(this.#path)
  }

  async giveBack(): Promise<void> {
    await this[Symbol.asyncDispose]()
    await rename(this.#path, join(this.#dir, this.#name))
  }

  /** Ends the renewals. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    await this.#renewed
  }

  async #renew(): Promise<void> {
    const path = join(this.#dir, `.claim-${Date.now()}x${this.#holder}-${this.#name}`)
    await rename(this.#path, path)
    this.#path = path
  }
}
