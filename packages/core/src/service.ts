// runService: a definition becomes a consuming process.
import { hostname } from 'node:os'
import { delay, orAbort } from '@cuckoo-distributed/wait'
import type { Options } from 'yargs'
import { parseBrokers, showBrokers } from './broker/address.js'
import { BrokerConnection } from './broker/connection.js'
import { Consumer } from './broker/consumer.js'
import { Publisher } from './broker/publisher.js'
import { declareQueues, type OwnQueue } from './broker/queues.js'
import { SharedCauses } from './broker/shared-causes.js'
import { Silence } from './broker/silence.js'
import { tlsFiles, tlsProblems } from './broker/tls.js'
import { describeError } from './errors.js'
import type { Logger } from './logger.js'
import { type Arguments, type ProcessEnvironment, runProcess, type SchemaOf } from './process.js'
import type { BoundStage } from './stage.js'
import type { BrokerConfig } from './stage-config.js'

/** What a service has opened: its stages, and how to close what they use. */
export interface OpenService extends AsyncDisposable {
  readonly stages: readonly BoundStage[]
}

export interface ServiceDependencies {
  readonly log: Logger
  /** Ends waiting, for what lives as long as the process. */
  readonly stop: AbortSignal
  readonly publisher: Publisher
}

export interface ServiceDefinition<C extends BrokerConfig> {
  readonly name: string
  readonly summary: string
  readonly schema: SchemaOf<C>
  readonly options?: Readonly<Record<string, Options>>
  /** Queues that the configuration names; they are declared on every connection. */
  queues(config: Readonly<C>): readonly OwnQueue[]
  /** Where failed messages go. */
  failedQueue(config: Readonly<C>): string
  /** As for `ProcessDefinition`. */
  check?(config: Readonly<C>): string[]
  advise?(config: Readonly<C>): string[]
  /** Makes clients and stages. Opens no connection that disposing does not end. */
  open(config: Readonly<C>, dependencies: ServiceDependencies): Promise<OpenService>
  /** Something to do in place of consuming, when the arguments ask for it; resolves with the exit code. */
  command?(config: Readonly<C>, args: Arguments): ((dependencies: ServiceDependencies) => Promise<number>) | undefined
}

/** How long after the end of the drain time handlers may take to notice. */
const LAST_GRACE_MS = 5_000

/** Runs a service with its stages as this process; see `runProcess` for the exit codes. */
export async function runService<C extends BrokerConfig>(definition: ServiceDefinition<C>): Promise<void> {
  await runProcess<C>({
    name: definition.name,
    summary: definition.summary,
    schema: definition.schema,
    ...(definition.options && { options: definition.options }),
    check: config => [...checkBroker(config), ...(definition.check?.(config) ?? [])],
    advise: config => definition.advise?.(config) ?? [],
    run: (config, environment) => serve(definition, config, environment),
  })
}

async function serve<C extends BrokerConfig>(
  definition: ServiceDefinition<C>,
  config: Readonly<C>,
  environment: ProcessEnvironment,
): Promise<number> {
  const { log, shutdown, args } = environment
  const queues = definition.queues(config)
  const addresses = parseBrokers(config.Amqp)
  const shared = { addresses, tls: tlsFiles(config), name: `${definition.name}@${hostname()}:${process.pid}` }
  log.info({ broker: showBrokers(addresses), version: process.env.SERVICE_VERSION ?? 'development' }, 'starting')
  const { QueueType: queueType, MaxMessageSize: maxMessageSize } = config
  await using publisher = new Publisher({ ...shared, log, queues, queueType, maxMessageSize })
  const dependencies = { log, stop: shutdown.stop, publisher }
  const command = definition.command?.(config, args)
  if (command) return await command(dependencies)
  await using service = await definition.open(config, dependencies)
  const consuming = log.child({ connection: 'consuming' })
  const silence = new Silence(consuming)
  const causes = new SharedCauses()
  const consumers = service.stages.map(stage => {
    return new Consumer(stage, {
      service: definition.name,
      failedQueue: definition.failedQueue(config),
      maxMessageSize,
      publisher,
      causes,
      log,
      silence,
      holdLimitMs: config.HoldLimit * 1000,
      stop: shutdown.stop,
      force: shutdown.force,
      onLost: cause => connection.drop(cause),
    })
  })
  await using connection = new BrokerConnection({
    ...shared,
    log: consuming,
    setUp: async model => {
      await declareQueues(model, queues, { type: queueType, silence })
      await Promise.all(consumers.map(consumer => consumer.setUp(model)))
    },
    onLost: cause => {
      for (const consumer of consumers) consumer.lose(cause)
    },
  })
  return await consumeUntilStopped({ connection, publisher, consumers, service }, environment)
}

interface Running {
  readonly connection: BrokerConnection
  readonly publisher: Publisher
  readonly consumers: readonly Consumer[]
  readonly service: OpenService
}

async function consumeUntilStopped(running: Running, { log, shutdown }: ProcessEnvironment): Promise<number> {
  try {
    await Promise.all([running.publisher.open(shutdown.stop), running.connection.open(shutdown.stop)])
  } catch (error: unknown) {
    if (shutdown.stop.aborted) return 0
    throw error
  }
  log.info({ queues: running.service.stages.map(stage => stage.queue) }, 'consuming')
  await untilAborted(shutdown.stop)
  return (await drainInTime(running.consumers, shutdown.force, log)) ? 0 : 1
}

/** True when every delivery was settled or given back before the end of the drain time, plus a moment to notice it. */
async function drainInTime(consumers: readonly Consumer[], force: AbortSignal, log: Logger): Promise<boolean> {
  const drained = new AbortController()
  const overdue = new AbortController()
  untilAborted(force)
    .then(() => delay(LAST_GRACE_MS, drained.signal))
    .then(
      () => overdue.abort(),
      () => undefined,
    ) // drained in time: nothing to do
  try {
    await orAbort(Promise.all(consumers.map(consumer => consumer.drain())), overdue.signal)
    log.info('stopped; every message is settled or given back')
    return true
  } catch (error: unknown) {
    if (!overdue.signal.aborted) throw error
    const inWork = consumers.reduce((sum, consumer) => sum + consumer.inWork, 0)
    log.warn({ inWork }, 'stopped with messages in work; the broker delivers them again')
    return false
  } finally {
    drained.abort()
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

function checkBroker(broker: BrokerConfig): string[] {
  try {
    parseBrokers(broker.Amqp)
    return tlsProblems(broker)
  } catch (error: unknown) {
    return [describeError(error)]
  }
}
