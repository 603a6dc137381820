// Log lines in CRITs that are worth a moment, and no more: a CRITs that is away stops nothing and costs no rate.
import { type CritsData, describeError, type Logger } from '@cuckoo-distributed/core'
import { AnalysisGoneError, CritsAuthError, type CritsServer } from '@cuckoo-distributed/crits-client'
import { type BackOff, backOff, timeLimit } from '@cuckoo-distributed/wait'

export interface TellerOptions {
  readonly log: Logger
  /** Milliseconds that a line may take. Default 3 s. */
  readonly limitMs?: number
}

interface State {
  /** The last line did not get through. */
  silent: boolean
  /** When the next line may be tried without anybody waiting for it (`performance.now`). */
  tryAt: number
  readonly waits: BackOff
}

export class Teller {
  readonly #log: Logger
  readonly #limitMs: number
  readonly #states = new WeakMap<CritsServer, State>()

  constructor({ log, limitMs = 3000 }: TellerOptions) {
    this.#log = log
    this.#limitMs = limitMs
  }

  /**
   * Adds a line to the log of the analysis. Resolves with whether CRITs has taken it, which is not waited for while lines do
   * not get through. Rejects with CritsAuthError, AnalysisGoneError, and `signal.reason`.
   */
  async tell(server: CritsServer, crits: CritsData, text: string, signal: AbortSignal): Promise<boolean> {
    const state = this.#stateOf(server)
    if (!state.silent) return this.#say(state, server, crits, text, signal)
    if (performance.now() >= state.tryAt) {
      state.tryAt = Number.POSITIVE_INFINITY
      this.#say(state, server, crits, text, signal).catch(() => undefined) // the next message meets the same, and waits for it
    }
    return false
  }

  async #say(state: State, server: CritsServer, crits: CritsData, text: string, signal: AbortSignal): Promise<boolean> {
    const late = () => new Error(`no answer within ${this.#limitMs / 1000} s`)
    using limit = timeLimit(signal, this.#limitMs, late)
    try {
      await server.client(crits).log('info', text, limit.signal)
      this.#heard(state)
      return true
    } catch (error: unknown) {
      if (error instanceof CritsAuthError || error instanceof AnalysisGoneError) {
        this.#heard(state)
        throw error
      }
      this.#notHeard(state, server, error)
      signal.throwIfAborted()
      return false
    }
  }

  #heard(state: State): void {
    state.silent = false
    state.waits.reset()
  }

  #notHeard(state: State, server: CritsServer, error: unknown): void {
    const details = { server: server.http.baseUrl, cause: describeError(error) }
    if (!state.silent) this.#log.warn(details, 'CRITs accepts no log lines; continuing without them')
    state.silent = true
    state.tryAt = performance.now() + state.waits.next()
  }

  #stateOf(server: CritsServer): State {
    const state = this.#states.get(server) ?? {
      silent: false,
      tryAt: 0,
      waits: backOff({ initialMs: 1000, maxMs: 60_000 }),
    }
    this.#states.set(server, state)
    return state
  }
}
