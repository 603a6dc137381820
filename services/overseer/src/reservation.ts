// Room for the copy of a large message that its delay queue is about to deliver again.
import { delay, type Semaphore } from '@cuckoo-distributed/wait'

/** If it is not there by then the room is for others: another overseer may have got it. */
const ARRIVAL_MS = 2000

/** What is known of a message while its body is not held. */
interface Claim {
  readonly due: number | undefined
  readonly bytes: number
}

export class Reservation {
  readonly #copies: Semaphore
  readonly #arrivalMs: number
  #made: (Claim & { readonly drop: () => void; isOver: boolean }) | undefined

  constructor(copies: Semaphore, arrivalMs = ARRIVAL_MS) {
    this.#copies = copies
    this.#arrivalMs = arrivalMs
  }

  /** Whether it was made for this message, which has waited long enough then, whatever the clock says. */
  isFor({ due, bytes }: Claim): boolean {
    const made = this.#made
    return made !== undefined && made.due === due && made.bytes === bytes
  }

  /** Resolves when the message is due, after `leftMs`, and there is room for it, which is kept for a moment. */
  async make({ due, bytes }: Claim, leftMs: number, signal: AbortSignal): Promise<void> {
    this.#made?.drop()
    this.#made = undefined
    await delay(leftMs, signal)
    const drop = await this.#copies.acquire(signal, bytes)
    const made = { due, bytes, drop, isOver: false }
    setTimeout(() => {
      if (this.#made !== made) return
      made.isOver = true
      drop()
    }, this.#arrivalMs).unref()
    this.#made = made
  }

  /** The room that is kept, or waits for some. Resolves with what gives it back. */
  async use(bytes: number, signal: AbortSignal): Promise<() => void> {
    const made = this.#made
    this.#made = undefined
    if (made && !made.isOver) return made.drop
    return this.#copies.acquire(signal, bytes)
  }
}
