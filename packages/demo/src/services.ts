// The four built services as an operator runs them: a process and a configuration file each, with the Go suite's keys.
import { type PipelineParts, pipelineConfigs, type ServiceProcess, startService } from '@cuckoo-distributed/testing'

const SERVICES = ['feed_cuckoo', 'check_results', 'parse_and_submit', 'overseer'] as const

export type ServiceName = (typeof SERVICES)[number]

export interface ServicesOptions extends PipelineParts {
  readonly amqp: string
  /** Whether the tasks are deleted from Cuckoo at the end. */
  readonly cleanup: boolean
  /** Whether what only CAPE finds is wanted as well. */
  readonly cape: boolean
  /** The overseer's `RetryDelays`; undefined leaves the default. */
  readonly retryDelays: readonly number[] | undefined
}

export type DemoQueues = PipelineParts['queues']

/** Every queue that the services declare, those of the overseer's delays included. */
export function allQueues(queues: DemoQueues): string[] {
  return [...Object.values(queues), ...[1, 10, 60, 300, 600].map(seconds => `${queues.failed}.delay.${seconds}`)]
}

/** The four as processes, killed when this process ends, in whatever way. */
export class Services {
  /** All that were started, those that were killed included: their logs still tell of samples. */
  readonly list: ServiceProcess[] = []
  readonly killed = new Set<ServiceProcess>()
  readonly #options: ServicesOptions

  constructor(options: ServicesOptions) {
    this.#options = options
  }

  /** Resolves when all consume. */
  async start(): Promise<void> {
    await Promise.all(SERVICES.map(name => this.#start(name)))
  }

  /** Kills one as a power cut would, and resolves when another consumes in its place. */
  async restart(name: ServiceName): Promise<void> {
    for (const service of this.list.filter(service => service.name === name)) {
      this.killed.add(service)
      await service.kill()
    }
    await this.#start(name)
  }

  async stop(): Promise<void> {
    await Promise.all(this.list.map(service => service.stop({ deadlineMs: 10_000 })))
  }

  async #start(name: ServiceName): Promise<void> {
    const service = await startService(name, { config: serviceConfigs(this.#options)[name] })
    this.list.push(service)
    await service.waitForLog('consuming', { deadlineMs: 30_000 })
  }
}

/** Only keys of the Go suite, `CritsURL`, and what was asked for. */
export function serviceConfigs(options: ServicesOptions): Readonly<Record<ServiceName, object>> {
  const { amqp, cape, retryDelays } = options
  const found = ['info', 'signatures', 'behavior', 'dropped', 'configs', 'detections']
  const common = { Amqp: amqp, LogFile: '', LogLevel: 'info' }
  const parts = pipelineConfigs(options)
  return {
    feed_cuckoo: { ...common, ...parts.feed_cuckoo },
    check_results: { ...common, ...parts.check_results, WaitBetweenRequests: 1 },
    parse_and_submit: {
      ...{ ...common, ...parts.parse_and_submit, PrefetchCount: 20, CuckooCleanup: options.cleanup },
      ...(cape && { EnabledParsers: found }),
    },
    overseer: { ...common, ...parts.overseer, ...(retryDelays !== undefined && { RetryDelays: retryDelays }) },
  }
}
