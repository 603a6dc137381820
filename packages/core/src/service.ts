// runService: a definition becomes a consuming process.
import { hostname } from 'node:os'
import { delay, orAbort } from '@cuckoo-distributed/wait'
import type { ChannelModel } from 'amqplib'
import type { Static, TObject } from 'typebox'
import type { Options } from 'yargs'
import { Consumer } from './broker/consumer.js'
import { BrokerLink, brokerAddress } from './broker/link.js'
import { Publisher } from './broker/publisher.js'
import { declareQueue, type OwnQueue } from './broker/queues.js'
import { SharedCauses } from './broker/shared-causes.js'
import { tlsFiles, tlsProblems } from './broker/tls.js'
import type { Logger } from './logger.js'
import { type Arguments, type ProcessEnvironment, runProcess } from './process.js'
import type { BoundStage } from './stage.js'
import type { BrokerConfig } from './stage-config.js'

/** What a service has opened: its stages, and how to close what they use. */
export interface OpenService {
  readonly stages: readonly BoundStage[]
  close(): Promise<void>
}

export interface ServiceDependencies {
  readonly log: Logger
  /** Ends waiting, for what lives as long as the process. */
  readonly stop: AbortSignal
  readonly publisher: Publisher
}

export interface ServiceDefinition<S extends TObject> {
  readonly name: string
  readonly summary: string
  readonly schema: S
  readonly options?: Readonly<Record<string, Options>>
  /** Queues that the configuration names; they are declared on every connection. */
  queues(config: Readonly<Static<S>>): readonly OwnQueue[]
  /** Where failed messages go. */
  failedQueue(config: Readonly<Static<S>>): string
  check?(config: Readonly<Static<S>>): string[]
  /** Makes clients and stages. Opens no connection by itself that `close` does not end. */
  open(config: Readonly<Static<S>>, dependencies: ServiceDependencies): Promise<OpenService>
  /** Something to do in place of consuming, when the arguments ask for it; resolves with the exit code. */
  command?(
    config: Readonly<Static<S>>,
    args: Arguments,
  ): ((dependencies: ServiceDependencies) => Promise<number>) | undefined
}

/** How long after the end of the drain time handlers may take to notice. */
const LAST_GRACE_MS = 5_000

/** Runs a service with its stages as this process; see `runProcess` for the exit codes. */
export async function runService<S extends TObject>(
  definition: ServiceDefinition<S>,
  brokerConfig: (config: Readonly<Static<S>>) => BrokerConfig,
): Promise<void> {
  await runProcess({
    name: definition.name,
    summary: definition.summary,
    schema: definition.schema,
    ...(definition.options && { options: definition.options }),
    check: config => [...checkBroker(brokerConfig(config)), ...(definition.check?.(config) ?? [])],
    run: (config, environment) => serve(definition, config, brokerConfig(config), environment),
  })
}

async function serve<S extends TObject>(
  definition: ServiceDefinition<S>,
  config: Readonly<Static<S>>,
  broker: BrokerConfig,
  environment: ProcessEnvironment,
): Promise<number> {
  const { log, shutdown, args } = environment
  const queues = definition.queues(config)
  const connectionName = `${definition.name}@${hostname()}:${process.pid}`
  const tls = tlsFiles(broker)
  const publisher = new Publisher({
    url: broker.Amqp,
    tls,
    name: connectionName,
    log,
    queues,
    queueType: broker.QueueType,
    maxMessageSize: broker.MaxMessageSize,
  })
  const dependencies = { log, stop: shutdown.stop, publisher }
  log.info({ broker: brokerAddress(broker.Amqp), version: process.env.SERVICE_VERSION ?? 'development' }, 'starting')
  try {
    const command = definition.command?.(config, args)
    if (command) return await command(dependencies)
    const service = await definition.open(config, dependencies)
    const causes = new SharedCauses()
    const consumers = service.stages.map(stage => {
      return new Consumer(stage, {
        service: definition.name,
        failedQueue: definition.failedQueue(config),
        maxMessageSize: broker.MaxMessageSize,
        publisher,
        causes,
        log,
        holdLimitMs: broker.HoldLimit * 1000,
        stop: shutdown.stop,
        force: shutdown.force,
        onLost: cause => link.drop(cause),
      })
    })
    const link = new BrokerLink({
      url: broker.Amqp,
      tls,
      name: connectionName,
      log: log.child({ connection: 'consuming' }),
      setUp: connection => setUp(connection, queues, broker, consumers),
      onLost: cause => {
        for (const consumer of consumers) consumer.lose(cause)
      },
    })
    try {
      return await consumeUntilStopped({ link, publisher, consumers, service }, environment)
    } finally {
      await service.close()
      await link.close()
    }
  } finally {
    await publisher.close()
  }
}

async function setUp(
  connection: ChannelModel,
  queues: readonly OwnQueue[],
  broker: BrokerConfig,
  consumers: readonly Consumer[],
): Promise<void> {
  const channel = await connection.createChannel()
  channel.on('error', () => undefined) // the same error rejects the declaration
  for (const queue of queues) await declareQueue(channel, queue, broker.QueueType)
  await channel.close()
  for (const consumer of consumers) await consumer.setUp(connection)
}

interface Running {
  readonly link: BrokerLink
  readonly publisher: Publisher
  readonly consumers: readonly Consumer[]
  readonly service: OpenService
}

async function consumeUntilStopped(running: Running, { log, shutdown }: ProcessEnvironment): Promise<number> {
  try {
    await Promise.all([running.publisher.open(shutdown.stop), running.link.open(shutdown.stop)])
  } catch (error) {
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
  } catch (error) {
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
  const problems: string[] = []
  const url = URL.canParse(broker.Amqp) ? new URL(broker.Amqp) : undefined
  if (!url || (url.protocol !== 'amqp:' && url.protocol !== 'amqps:')) {
    problems.push('"Amqp" must have the form amqp://USER:PASSWORD@HOST:PORT[/VHOST] or amqps://…')
  }
  return [...problems, ...tlsProblems(broker)]
}
