// The four built services as an operator runs them: a process and a configuration file each, with the Go suite's keys.
import { type PipelineParts, pipelineConfigs, type ServiceProcess, startService } from '@cuckoo-distributed/testing'

const SERVICES = ['feed_cuckoo', 'check_results', 'parse_and_submit', 'overseer'] as const

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

/** Starts the four and resolves when all consume. They are killed when this process ends, in whatever way. */
export async function startServices(options: ServicesOptions): Promise<ServiceProcess[]> {
  const configs = serviceConfigs(options)
  const services = await Promise.all(SERVICES.map(name => startService(name, { config: configs[name] })))
  try {
    await Promise.all(services.map(service => service.waitForLog('consuming', { deadlineMs: 30_000 })))
    return services
  } catch (error: unknown) {
    await Promise.all(services.map(service => service.kill()))
    throw error
  }
}

/** Only keys of the Go suite, `CritsURL`, and what was asked for. */
export function serviceConfigs(options: ServicesOptions): Readonly<Record<(typeof SERVICES)[number], object>> {
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
