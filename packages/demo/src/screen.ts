// What the demo prints: lines that stay, and below them the live ones, one per sample.
import { cut } from './text.js'

const UP_AND_CLEAR = (lines: number) => (lines === 0 ? '' : `\x1b[${lines}A\r\x1b[J`)

/** A pipe has no width. */
export const WIDTH = Math.max(80, process.stdout.columns ?? 120)

/** Where lines of words are wrapped: on a terminal only. */
export const WRAP = process.stdout.columns === undefined ? Number.POSITIVE_INFINITY : WIDTH

/** The part of a terminal's stream that is used. */
export interface Output {
  readonly isTTY?: boolean
  write(text: string): unknown
}

/** On a terminal a live line is drawn anew in its place; elsewhere each change is a line of its own. */
export class Screen {
  readonly #output: Output
  readonly #live: string[] = []

  constructor(output: Output) {
    this.#output = output
  }

  /** A line that stays, above the live ones. */
  readonly print = (line: string): void => {
    this.#draw(`${line}\n`)
  }

  /** The live line number `index`. */
  change(index: number, line: string): void {
    if (!this.#output.isTTY) {
      this.#output.write(`${line}\n`)
      return
    }
    const drawn = this.#live.length
    this.#live[index] = cut(line, WIDTH - 1)
    this.#draw('', drawn)
  }

  /** The live lines stay as they are; the next ones begin below them. */
  settle(): void {
    this.#live.length = 0
  }

  #draw(before: string, drawn = this.#live.length): void {
    const lines = Array.from(this.#live, line => `${line ?? ''}\n`)
    this.#output.write(`${UP_AND_CLEAR(drawn)}${before}${lines.join('')}`)
  }
}
