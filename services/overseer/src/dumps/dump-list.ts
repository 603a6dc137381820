// The dumps of a directory for somebody who asks again and again: they are read anew when a name in it has come, gone or changed.
import { stat } from 'node:fs/promises'
import { errorCode } from '@cuckoo-distributed/core'
import { type Dump, listDumps } from './envelope.js'

/** A clock of the file system may tell two changes by the same time if they are closer than this. */
const CLOSE_MS = 1000

export class DumpList {
  readonly #dir: string
  /** When the directory was last changed, in milliseconds since 1970; 0 while it is missing. */
  #changed = Number.NaN
  #dumps: Promise<readonly Dump[]> | undefined

  constructor(dir: string) {
    this.#dir = dir
  }

  /** As `listDumps`. A dump is written beside its place, so that no change of one leaves the directory as it was. */
  async read(): Promise<readonly Dump[]> {
    const changed = await changeOf(this.#dir)
    if (this.#dumps && changed === this.#changed) return this.#dumps
    this.#changed = Math.abs(Date.now() - changed) > CLOSE_MS ? changed : Number.NaN
    const dumps = listDumps(this.#dir)
    this.#dumps = dumps
    dumps.catch(() => {
      if (this.#dumps === dumps) this.#dumps = undefined
    })
    return dumps
  }
}

async function changeOf(dir: string): Promise<number> {
  try {
    return (await stat(dir)).mtimeMs
  } catch (error: unknown) {
    if (errorCode(error) !== 'ENOENT') throw error
    return 0
  }
}
