// The pipeline as it is now, for as long as somebody looks at it.
import { describeError, eventQueue, withBroker } from '@cuckoo-distributed/core'
import { delay } from '@cuckoo-distributed/wait'
import { DELAY_LADDER, delayQueue, type OverseerConfig, ownQueues } from '../config.js'
import { byCause } from '../dumps/causes.js'
import type { DumpList } from '../dumps/dump-list.js'
import type { Dump } from '../dumps/envelope.js'
import { lookAtQueues, type QueueState } from '../queues/looks.js'
import { ManagementApi } from '../queues/management.js'
import { askForPipeline, type Pipeline } from '../queues/pipeline.js'
import { alarmsOf } from './alarms.js'
import type { Overview, QueueLine } from './wire.js'

/** Between two looks at the queues, which make a rate. */
const LOOK_SECONDS = 2
const RETRY_MS = 2000

export class Live implements AsyncDisposable {
  readonly #config: OverseerConfig
  readonly #isReadOnly: boolean
  readonly #dumps: DumpList
  #watch: AbortController | undefined
  /** Of watches that end: never two at a time. */
  #ended: Promise<void> = Promise.resolve()
  #last: Overview | undefined

  constructor(
    config: OverseerConfig,
    { isReadOnly, dumps }: { readonly isReadOnly: boolean; readonly dumps: DumpList },
  ) {
    this.#config = config
    this.#isReadOnly = isReadOnly
    this.#dumps = dumps
  }

  /** What was last told since the start. */
  get last(): Overview | undefined {
    return this.#last
  }

  /** Tells `hear`, which must not throw, how things are every other second, until `stop`. */
  start(hear: (overview: Overview) => void): void {
    this.stop()
    const watch = new AbortController()
    this.#watch = watch
    this.#ended = this.#ended.then(() => this.#look(hear, watch.signal))
  }

  stop(): void {
    this.#watch?.abort(new Error('nobody looks'))
    this.#watch = undefined
    this.#last = undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop()
    await this.#ended
  }

  async #look(hear: (overview: Overview) => void, signal: AbortSignal): Promise<void> {
    await using management = this.#config.ManagementURL === '' ? undefined : new ManagementApi(this.#config)
    const tell = (overview: Overview) => {
      if (signal.aborted) return
      this.#last = overview
      hear(overview)
    }
    while (!signal.aborted) {
      try {
        await withBroker(this.#config, signal, async connection => {
          for (let seconds = 0; ; seconds = LOOK_SECONDS) {
            const pipeline = await askForPipeline(connection, this.#config)
            const names = await this.#names(pipeline)
            const states = await lookAtQueues(connection, names, { seconds, management }, signal)
            const problems = management?.problem ? [`ManagementURL: ${management.problem}`] : []
            tell(await this.#overview(pipeline, states, problems))
            const [state] = states
            if (state?.state === 'unknown') throw new Error(state.why) // the connection is lost
          }
        })
      } catch (error: unknown) {
        if (signal.aborted) return
        const pipeline = {
          consumers: {},
          open: undefined,
          rooms: [],
          problems: [`the broker cannot be asked: ${describeError(error)}`],
        }
        tell(await this.#overview(pipeline, [], []))
        await delay(RETRY_MS, signal).catch(() => undefined) // seen above
      }
    }
  }

  async #names({ consumers }: Pipeline): Promise<string[]> {
    const { dumps } = await this.#read()
    const dumped = dumps.flatMap(({ failed }) => (failed ? [failed.queue] : []))
    const own = ownQueues(this.#config).map(({ name }) => name)
    return [...new Set([...Object.keys(consumers).sort(), ...own, ...dumped.sort()])]
  }

  async #read(): Promise<{ readonly dumps: readonly Dump[]; readonly problems: readonly string[] }> {
    try {
      return { dumps: await this.#dumps.read(), problems: [] }
    } catch (error: unknown) {
      return { dumps: [], problems: [`DumpDir cannot be read: ${describeError(error)}`] }
    }
  }

  async #overview(pipeline: Pipeline, states: readonly QueueState[], problems: readonly string[]): Promise<Overview> {
    const { dumps, problems: unread } = await this.#read()
    const parts = {
      queues: states.map(state => this.#line(state, pipeline)),
      open: pipeline.open && { places: [], ...pipeline.open },
      rooms: pipeline.rooms,
      dumps: summaryOf(dumps),
    }
    const known = [...pipeline.problems, ...problems, ...unread]
    return { at: Date.now(), isReadOnly: this.#isReadOnly, ...parts, alarms: alarmsOf(parts), problems: known }
  }

  #line(state: QueueState, { consumers }: Pipeline): QueueLine {
    const { ConsumerQueue: failed } = this.#config
    const { name } = state
    const service = consumers[name]
    if (name === failed) return { ...state, role: 'failed', service: service ?? 'overseer' }
    if (DELAY_LADDER.some(seconds => delayQueue(failed, seconds) === name)) return { ...state, role: 'delay', service }
    if (name === `${failed}.lost`) return { ...state, role: 'lost' }
    if (service === undefined || name === eventQueue(failed)) return { ...state, role: 'other' }
    return { ...state, role: 'work', service }
  }
}

function summaryOf(dumps: readonly Dump[]): Overview['dumps'] {
  const causes = byCause(dumps).map(({ code, service, dumps: each }) => ({ code, service, count: each.length }))
  return { count: dumps.length, oldest: dumps[0]?.at, causes: causes.slice(0, 10) }
}
