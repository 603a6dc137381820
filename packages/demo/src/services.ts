// The four built services as an operator runs them: a process and a configuration file each, with the Go suite's keys.
import { type ServiceProcess, startService } from '@cuckoo-distributed/testing'

const SERVICES = ['feed_cuckoo', 'check_results', 'parse_and_submit', 'overseer'] as const

export interface ServicesOptions {
  readonly amqp: string
  readonly queues: DemoQueues
  readonly cuckooUrl: string
  /** Whether the tasks are deleted from Cuckoo at the end. */
  readonly cleanup: boolean
  readonly critsUrl: string
  readonly dumpDir: string
  /** The overseer's `RetryDelays`; undefined leaves the default. */
  readonly retryDelays: readonly number[] | undefined
}

export interface DemoQueues {
  readonly feed: string
  readonly check: string
  readonly parse: string
  readonly failed: string
}

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

/** Only keys of the Go suite, `CritsURL`, and `RetryDelays` where asked for. */
export function serviceConfigs(options: ServicesOptions): Readonly<Record<(typeof SERVICES)[number], object>> {
  const { amqp, queues, critsUrl, retryDelays } = options
  const common = { Amqp: amqp, LogFile: '', LogLevel: 'info' }
  const stage = { ...common, FailedQueue: queues.failed, VerifySSL: true }
  return {
    feed_cuckoo: {
      ...stage,
      ConsumerQueue: queues.feed,
      ProducerQueue: queues.check,
      CritsURL: critsUrl,
      CuckooURL: options.cuckooUrl,
      CheckFreeSpace: false,
      MaxPending: 10,
      PrefetchCount: 1,
    },
    check_results: {
      ...stage,
      ConsumerQueue: queues.check,
      ProducerQueue: queues.parse,
      PrefetchCount: 100,
      WaitBetweenRequests: 1,
    },
    parse_and_submit: {
      ...stage,
      ConsumerQueue: queues.parse,
      ProducerQueue: '',
      CritsURL: critsUrl,
      PrefetchCount: 20,
      PushApiCallsMax: 1000,
      CuckooCleanup: options.cleanup,
      EnabledParsers: ['info', 'signatures', 'behavior', 'dropped'],
    },
    overseer: {
      ...common,
      ConsumerQueue: queues.failed,
      CritsURL: critsUrl,
      DumpDir: options.dumpDir,
      PrefetchCount: 100,
      ...(retryDelays !== undefined && { RetryDelays: retryDelays }),
    },
  }
}
