// What this instance has carried out lately, so that a repeat of a message is not worked on again.
const REMEMBERED_MS = 3_600_000
const REMEMBERED_MAX = 10_000

/** Whoever has said what is to become of a message hears of it within this; only then may a repeat be worked on. */
const SETTLING_MS = 60_000

/** One message in work. One of the two must be called. */
export interface Work {
  /** Its outcome can no longer be undone. */
  carriedOut(): void
  /** It was not carried out; `isSettling`: its outcome may still be. */
  left(isSettling: boolean): void
}

export class Repeats {
  /** When each key was carried out (`performance.now`), oldest first. */
  readonly #carriedOut = new Map<string, number>()
  readonly #inWork = new Map<string, Promise<void>>()

  /** Begins to work on `key`, unless it was carried out within the last hour, or is in work: then `ended` resolves. */
  begin(key: string): Work | 'carried-out' | { readonly ended: Promise<void> } {
    this.#forgetOld()
    const ended = this.#inWork.get(key)
    if (ended) return { ended }
    return this.#carriedOut.has(key) ? 'carried-out' : this.#work(key)
  }

  #work(key: string): Work {
    let free = () => {}
    const ended = new Promise<void>(resolve => {
      free = () => {
        if (this.#inWork.get(key) === ended) this.#inWork.delete(key)
        resolve()
      }
    })
    this.#inWork.set(key, ended)
    return {
      carriedOut: () => {
        this.#carriedOut.delete(key)
        this.#carriedOut.set(key, performance.now())
        free()
      },
      left: isSettling => {
        if (isSettling) setTimeout(free, SETTLING_MS).unref()
        else free()
      },
    }
  }

  #forgetOld(): void {
    const oldest = performance.now() - REMEMBERED_MS
    for (const [key, at] of this.#carriedOut) {
      if (at > oldest && this.#carriedOut.size <= REMEMBERED_MAX) return
      this.#carriedOut.delete(key)
    }
  }
}
