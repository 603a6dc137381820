// Whether a stage wants new messages. While it is closed the consumer is cancelled, so other consumers get them.

export class Intake {
  #open = true
  readonly #listeners = new Set<() => void>()

  get isOpen(): boolean {
    return this.#open
  }

  open(): void {
    this.#set(true)
  }

  close(): void {
    this.#set(false)
  }

  /** Calls `listener` after every change; returns the function that ends it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #set(open: boolean): void {
    if (this.#open === open) return
    this.#open = open
    for (const listener of this.#listeners) listener()
  }
}
