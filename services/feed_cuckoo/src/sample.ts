// A file to be analysed, wherever its bytes are.

/** Disposing of it frees what holds its bytes; a second time is harmless. */
export interface Sample extends AsyncDisposable {
  /** Bytes. */
  readonly size: number
  /** 32 lower-case hex digits; of a large sample worked out only when it is asked for. */
  md5(): Promise<string>
  /** Starts from the first byte; may be called again. */
  open(): AsyncIterable<Buffer>
}

/** A sample that is read when it is first asked for, and again if that failed. */
export class SampleOnDemand implements AsyncDisposable {
  readonly #read: () => Promise<Sample>
  #sample: Promise<Sample> | undefined

  constructor(read: () => Promise<Sample>) {
    this.#read = read
  }

  get(): Promise<Sample> {
    this.#sample ??= this.#read().catch((error: unknown) => {
      this.#sample = undefined
      throw error
    })
    return this.#sample
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const sample = await this.#sample?.catch(() => undefined) // whoever asked for it has the error
    await sample?.[Symbol.asyncDispose]()
  }
}
