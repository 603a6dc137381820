// Follows samples through the pipeline by what the services log about them: `queued ▸ Cuckoo 1 ▸ reported ▸ CRITs`.
import { type LogLine, ServiceEndedError, type ServiceProcess, waitFor } from '@cuckoo-distributed/testing'
import type { EmittedSample } from './emit.js'
import type { Scene } from './scene.js'
import { pad, shown, widthOf } from './text.js'

/** Where a sample ended: its results are in CRITs, or the overseer has dumped it. */
export type End = 'arrived' | 'dumped'

interface Step {
  readonly state: string
  readonly end?: End
}

const inSandbox = ({ taskId }: LogLine, sandbox: string): Step => ({ state: `${sandbox} ${taskId}` })

/** What the log lines of interest say about the sample that they name. */
const STEPS: Readonly<Record<string, (line: LogLine, sandbox: string) => Step>> = {
  'submitted to Cuckoo': inSandbox,
  'an earlier attempt already submitted the sample': inSandbox,
  reported: () => ({ state: 'reported' }),
  'the analysis is complete in CRITs': () => ({ state: 'CRITs', end: 'arrived' }),
  'will be tried again': ({ attempts, delaySeconds }) => ({
    state: `attempt ${attempts} failed, waits ${delaySeconds} s`,
  }),
  dumped: ({ why }) => ({ state: `given up (${why})`, end: 'dumped' }),
}

export class Progress {
  readonly #scene: Scene
  readonly #samples: readonly EmittedSample[]
  /** The states of each sample, in the order of the samples. */
  readonly #chains: readonly string[][]
  readonly #ends = new Map<EmittedSample, End>()
  /** How many lines of a service's log have been read. */
  readonly #read = new Map<ServiceProcess, number>()
  readonly #nameWidth: number
  #ended: ServiceProcess | undefined

  /** Each sample's line begins with `state`. */
  constructor(scene: Scene, samples: readonly EmittedSample[], state: string) {
    this.#scene = scene
    this.#samples = samples
    this.#nameWidth = Math.max(...samples.map(({ name }) => widthOf(shown(name))))
    this.#chains = samples.map(() => [])
    this.again(state)
  }

  /** Begins anew, with what the services log after the last look. */
  again(state: string): void {
    this.#ends.clear()
    this.#chains.forEach((chain, index) => {
      chain.length = 0
      this.#tell(index, state)
    })
  }

  /** Whether a sample has come to a state that begins so. */
  reached(state: string): boolean {
    return this.#chains.some(chain => chain.some(step => step.startsWith(state)))
  }

  /**
   * Tells every change until each sample has ended; resolves with the ends, in the order of the samples. Rejects with the
   * signal's reason, or with ServiceEndedError when a service is gone that nobody has killed.
   */
  async follow(): Promise<End[]> {
    await waitFor(() => this.#look(), {
      // The demo's own deadline ends the signal much earlier.
      deadlineMs: 2 ** 31 - 1,
      everyMs: 50,
      signal: this.#scene.signal,
      describe: 'every sample to arrive',
    })
    this.#scene.screen.settle()
    return this.#samples.map(sample => this.#ends.get(sample) ?? 'dumped')
  }

  #tell(index: number, state: string): void {
    const chain = this.#chains[index]
    const sample = this.#samples[index]
    // A step that was cut off is told again by whoever takes it up.
    if (chain === undefined || sample === undefined || chain.at(-1) === state) return
    chain.push(state)
    this.#scene.screen.change(index, `${pad(shown(sample.name), this.#nameWidth)}  ${shown(chain.join(' ▸ '))}`)
  }

  #look(): boolean {
    for (const line of this.#newLines()) {
      const index = this.#samples.findIndex(({ analysisId }) => analysisId === line.analysisId)
      const sample = this.#samples[index]
      const step = STEPS[line.msg]?.(line, this.#scene.options.cape ? 'CAPE' : 'Cuckoo')
      if (sample === undefined || step === undefined) continue
      this.#tell(index, step.state)
      if (step.end !== undefined) this.#ends.set(sample, step.end)
    }
    if (this.#ended !== undefined) {
      throw new ServiceEndedError(`${this.#ended.name} has ended by itself:\n${this.#ended.tail()}`)
    }
    return this.#samples.every(sample => this.#hasEnded(sample))
  }

  /** The overseer logs a dump before it tells CRITs. Only a stand-in can be asked. */
  #hasEnded(sample: EmittedSample): boolean {
    const end = this.#ends.get(sample)
    const analysis = this.#scene.crits?.analyses.get(sample.analysisId)
    return end !== undefined && analysis?.status !== (end === 'dumped' ? 'started' : 'error')
  }

  #newLines(): LogLine[] {
    return this.#scene.services.list.flatMap(service => {
      const from = this.#read.get(service) ?? this.#begin(service)
      this.#read.set(service, service.log.length)
      return service.log.slice(from)
    })
  }

  #begin(service: ServiceProcess): number {
    service.exit.then(() => {
      if (!this.#scene.services.killed.has(service)) this.#ended ??= service
    })
    return 0
  }
}
