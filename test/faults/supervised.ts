// A service that is started again whenever it ends by itself or by a kill, as a service manager would.
import { type LogLine, type ServiceExit, type ServiceProcess, startService, waitFor } from '@cuckoo-distributed/testing'

export interface Replacement {
  /** Name of a service, or path of a file to run in its place. */
  readonly build?: string
  /** Keys of the configuration that change. */
  readonly config?: object
}

/** Lets a test move the process' wall clock; until then it changes nothing. */
const CLOCK = new URL('./clock.js', import.meta.url).href

export class Supervised {
  #build: string
  #config: object
  #process: ServiceProcess | undefined
  #wanted = false
  #starting: Promise<void> = Promise.resolve()
  /** Exits that nobody asked for: a service never ends by itself. */
  readonly crashes: string[] = []
  #expected = false

  constructor(build: string, config: object) {
    this.#build = build
    this.#config = config
  }

  /** Of the process that runs now. */
  get log(): readonly LogLine[] {
    return this.#process?.log ?? []
  }

  async start(): Promise<void> {
    this.#wanted = true
    this.#starting = this.#launch()
    await this.#starting
    await this.#process?.waitForLog('consuming')
  }

  /** Ends the process with this signal; it is started again at once. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    await this.#end(process => (signal === 'SIGKILL' ? process.kill() : process.stop({ deadlineMs: 40_000 })))
  }

  /** Ends the process with SIGTERM, which it must obey in time and with exit code 0; it is started again at once. */
  async endWell(deadlineMs: number): Promise<void> {
    const exit = await this.#end(process => process.stop({ deadlineMs }))
    if (exit?.code !== 0) throw new Error(`${this.#build} ended with ${exit?.signal ?? exit?.code} after SIGTERM`)
  }

  async #end(how: (process: ServiceProcess) => Promise<ServiceExit>): Promise<ServiceExit | undefined> {
    await this.#starting
    this.#expected = true
    const exit = this.#process && (await how(this.#process))
    await this.#starting
    return exit
  }

  /** Moves the wall clock of the process an hour forward or back. */
  async jump(direction: 'forward' | 'back'): Promise<void> {
    await this.#starting
    const jumped = this.nextLog(/^the clock has jumped/)
    this.#process?.signal(direction === 'forward' ? 'SIGUSR2' : 'SIGWINCH')
    await jumped()
  }

  /** Runs another file in its place, or the same with other keys; resolves with what undoes it. */
  async replace({ build = this.#build, config = {} }: Replacement): Promise<() => Promise<void>> {
    const former = { build: this.#build, config: this.#config }
    const become = async (next: { build: string; config: object }) => {
      await this.stop()
      this.#build = next.build
      this.#config = next.config
      await this.start()
    }
    await become({ build, config: { ...this.#config, ...config } })
    return () => become(former)
  }

  /** What waits for a line that is logged from now on, by this process or a later one. */
  nextLog(pattern: RegExp): () => Promise<void> {
    const { log } = this
    const before = log.length
    const isThere = () => this.log.slice(this.log === log ? before : 0).some(line => pattern.test(line.msg))
    return async () => {
      await waitFor(isThere, { describe: `${this.#build} to log ${pattern}` })
    }
  }

  /** Ends it for good. */
  async stop(): Promise<void> {
    this.#wanted = false
    await this.#starting.catch(() => undefined)
    await this.#process?.stop({ deadlineMs: 15_000 })
  }

  async #launch(): Promise<void> {
    this.#expected = false
    const started = await startService(this.#build, { config: this.#config, nodeArgs: ['--import', CLOCK] })
    this.#process = started
    void started.exit.then(({ code, signal }) => {
      if (!this.#expected && this.#wanted) this.crashes.push(`${this.#build} (${signal ?? code}): ${started.tail(5)}`)
      if (this.#wanted) this.#starting = this.#launch()
    })
  }
}
