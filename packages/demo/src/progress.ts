// Follows samples through the pipeline by what the services log about them, one line for each change.
import { type LogLine, ServiceEndedError, type ServiceProcess, waitFor } from '@cuckoo-distributed/testing'
import type { EmittedSample } from './emit.js'
import type { DemoSample } from './samples.js'
import type { Scene } from './scene.js'
import { pad, shown, widthOf } from './text.js'

/** Where a sample ended: its results are in CRITs, or the overseer has dumped it. */
export type End = 'arrived' | 'dumped'

interface Step {
  readonly state: string
  readonly end?: End
}

/** What the log lines of interest say about the sample that they name. */
const STEPS: Readonly<Record<string, (line: LogLine) => Step>> = {
  'submitted to Cuckoo': ({ taskId }) => ({ state: `Cuckoo task ${taskId}` }),
  'an earlier attempt has submitted the sample already': ({ taskId }) => ({ state: `Cuckoo task ${taskId}` }),
  reported: () => ({ state: 'reported' }),
  'the analysis is complete in CRITs': () => ({ state: 'in CRITs', end: 'arrived' }),
  'failed; the message goes to FailedQueue': ({ service, attempts }) => ({
    state: `failed in ${service}, attempt ${attempts}`,
  }),
  'will be tried again': ({ delaySeconds }) => ({ state: `waits ${delaySeconds} s for the next attempt` }),
  dumped: ({ why, file }) => ({ state: `given up (${why}), dumped as ${file}`, end: 'dumped' }),
}

export class Progress {
  readonly #scene: Scene
  /** How many lines of a service's log have been read. */
  readonly #read = new Map<ServiceProcess, number>()
  readonly #started = performance.now()
  readonly #nameWidth: number
  #ended: ServiceProcess | undefined

  constructor(scene: Scene, samples: readonly DemoSample[]) {
    this.#scene = scene
    this.#nameWidth = Math.max(...samples.map(({ name }) => widthOf(shown(name))))
    for (const service of scene.services) {
      service.exit.then(() => {
        this.#ended ??= service
      })
    }
  }

  tell({ name }: DemoSample, state: string): void {
    const seconds = ((performance.now() - this.#started) / 1000).toFixed(1).padStart(6)
    this.#scene.print(`${seconds} s  ${pad(shown(name), this.#nameWidth)}  ${shown(state)}`)
  }

  /**
   * Tells every change until each sample has ended; resolves with the ends, in the order of the samples. Rejects with the
   * signal's reason, or with ServiceEndedError when a service is gone.
   */
  async follow(samples: readonly EmittedSample[]): Promise<End[]> {
    const ends = new Map<EmittedSample, End>()
    await waitFor(() => this.#look(samples, ends), {
      // The demo's own deadline ends the signal much earlier.
      deadlineMs: 2 ** 31 - 1,
      everyMs: 50,
      signal: this.#scene.signal,
      describe: 'every sample to arrive',
    })
    return samples.map(sample => ends.get(sample) ?? 'dumped')
  }

  #look(samples: readonly EmittedSample[], ends: Map<EmittedSample, End>): boolean {
    for (const line of this.#newLines()) {
      const sample = samples.find(({ analysisId }) => analysisId === line.analysisId)
      const step = STEPS[line.msg]?.(line)
      if (sample === undefined || step === undefined) continue
      this.tell(sample, step.state)
      if (step.end !== undefined) ends.set(sample, step.end)
    }
    if (this.#ended !== undefined) {
      throw new ServiceEndedError(`${this.#ended.name} has ended by itself:\n${this.#ended.tail()}`)
    }
    return samples.every(sample => this.#hasEnded(sample, ends.get(sample)))
  }

  /** The overseer logs a dump before it tells CRITs. Only a stand-in can be asked. */
  #hasEnded({ analysisId }: EmittedSample, end: End | undefined): boolean {
    const analysis = this.#scene.crits?.analyses.get(analysisId)
    return end !== undefined && analysis?.status !== (end === 'dumped' ? 'started' : 'error')
  }

  #newLines(): LogLine[] {
    return this.#scene.services.flatMap(service => {
      const from = this.#read.get(service) ?? 0
      this.#read.set(service, service.log.length)
      return service.log.slice(from)
    })
  }
}
