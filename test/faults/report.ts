// What a run of the matrix has told so far.
import { describe, type Outcome, problemsOf } from './run-cell.js'

export class Report {
  /** By the place of the cell in the matrix: cells may run side by side. */
  readonly #outcomes = new Map<number, Outcome>()
  readonly problems: string[] = []
  /** Names of the mutations that were seen. */
  readonly seen: string[] = []
  readonly #started = performance.now()

  get outcomes(): Outcome[] {
    return [...this.#outcomes].sort(([a], [b]) => a - b).map(([, outcome]) => outcome)
  }

  get minutes(): number {
    return (performance.now() - this.#started) / 60_000
  }

  /** Runs one cell. */
  async cell(place: number, name: string, run: () => Promise<Outcome>): Promise<void> {
    await this.#tell(name, 'ok', async () => {
      const outcome = await run()
      this.#outcomes.set(place, outcome)
      return problemsOf(outcome)
    })
  }

  /** Looks whether a mutation is seen; `unseen` resolves with what was told in vain. */
  async mutation(name: string, unseen: () => Promise<string[]>): Promise<void> {
    if (await this.#tell(`mutation: ${name}`, 'seen', unseen)) this.seen.push(name)
  }

  /** Does one thing and says how it went; what cannot be done is a problem like any other, and the run goes on. */
  async #tell(name: string, good: string, look: () => Promise<string[]>): Promise<boolean> {
    const begun = performance.now()
    const found = await look().catch((error: unknown) => [`${name}: ${describe(error)}`])
    const seconds = ((performance.now() - begun) / 1000).toFixed(1)
    console.log([`${name}: ${found.length === 0 ? good : 'FAILED'} (${seconds} s)`, ...found].join('\n  '))
    this.problems.push(...found)
    return found.length === 0
  }
}
