// runService: a definition becomes a consuming process.
import { hostname } from 'node:os'
import { parseBrokers, showBrokers } from './broker/address.js'
import { BrokerConnection, type BrokerConnectionOptions } from './broker/connection.js'
import { Consumer } from './broker/consumer.js'
import { EventSender, instanceName } from './broker/event-sender.js'
import { brokerLooks } from './broker/look.js'
import { Publisher } from './broker/publisher.js'
import { declareQueues, type OwnQueue } from './broker/queues.js'
import { SharedCauses } from './broker/shared-causes.js'
import { Silence } from './broker/silence.js'
import { tlsFiles, tlsProblems } from './broker/tls.js'
import type { Arguments, Command, CommandGroup } from './command-line.js'
import { drainInTime, untilAborted } from './drain.js'
import { describeError } from './errors.js'
import type { Logger } from './logger.js'
import type { Look } from './look.js'
import type { Figure } from './metrics/figures.js'
import { Metrics } from './metrics/metrics.js'
import { serveMetrics } from './metrics/server.js'
import { serviceFigures, unreadyReasons, type Watched } from './metrics/service.js'
import { type ProcessDefinition, type ProcessEnvironment, runProcess } from './process.js'
import type { BoundStage } from './stage.js'
import { type BrokerConfig, holdLimitMs } from './stage-config.js'
import { type Telemetry, telemetryOf } from './telemetry.js'
import { openTracer } from './tracing/open.js'
import { SERVICE_VERSION } from './version.js'

/** What a service has opened: its stages, and how to close what they use. */
export interface OpenService extends AsyncDisposable {
  readonly stages: readonly BoundStage[]
  /** For its metrics, beside those that every service has. */
  readonly figures?: readonly Figure[]
}

export interface ServiceDependencies {
  readonly log: Logger
  /** Ends waiting, for what lives as long as the process. */
  readonly stop: AbortSignal
  readonly publisher: Publisher
  readonly telemetry: Telemetry
  /** Of this process: `host:pid.` and something random. */
  readonly instance: string
  /** For connections beside those of the pipeline. */
  readonly broker: BrokerAccess
}

/** What all connections of a process have in common. */
export type BrokerAccess = Pick<BrokerConnectionOptions, 'addresses' | 'tls' | 'name'>

/** Carries out a command; resolves with the exit code. Its publisher is not open yet. */
export type RunCommand<C> = (config: Readonly<C>, dependencies: ServiceDependencies, args: Arguments) => Promise<number>
export type ServiceCommands<C> = readonly (Command<RunCommand<C>> | CommandGroup<RunCommand<C>>)[]

export interface ServiceDefinition<C extends BrokerConfig>
  extends Pick<ProcessDefinition<C>, 'name' | 'summary' | 'schema' | 'options' | 'setUps' | 'check' | 'advise'> {
  /** Queues that the configuration names; they are declared on every connection. */
  queues(config: Readonly<C>): readonly OwnQueue[]
  /** Where failed messages go. */
  failedQueue(config: Readonly<C>): string
  /** As for `ProcessDefinition`, beside the broker. */
  looks?(config: Readonly<C>): readonly Look[]
  /** Where it makes files, by key: it is not ready without them. */
  directories?(config: Readonly<C>): Readonly<Record<string, string>>
  /** Makes clients and stages. Opens no connection that disposing does not end. */
  open(config: Readonly<C>, dependencies: ServiceDependencies): Promise<OpenService>
  /** To be done in place of consuming. */
  readonly commands?: ServiceCommands<C>
  /** Something to do in place of consuming, when the options of the plain start ask for it; resolves with the exit code. */
  command?(config: Readonly<C>, args: Arguments): ((dependencies: ServiceDependencies) => Promise<number>) | undefined
}

/** Runs a service with its stages as this process; see `runProcess` for the exit codes. */
export async function runService<C extends BrokerConfig>(definition: ServiceDefinition<C>): Promise<void> {
  await runProcess<C>({
    name: definition.name,
    summary: definition.summary,
    schema: definition.schema,
    ...(definition.options && { options: definition.options }),
    commands: (definition.commands ?? []).map(command => asProcessCommand(definition, command)),
    ...(definition.setUps && { setUps: definition.setUps }),
    check: config => [...checkBroker(config), ...(definition.check?.(config) ?? [])],
    advise: config => definition.advise?.(config) ?? [],
    looks: config => [...brokerLooks(config, definition.queues(config)), ...(definition.looks?.(config) ?? [])],
    run: (config, environment) => serve(definition, config, environment),
  })
}

type ProcessRun<C extends object> = ProcessDefinition<C>['run']

function asProcessCommand<C extends BrokerConfig>(
  definition: ServiceDefinition<C>,
  command: ServiceCommands<C>[number],
): Command<ProcessRun<C>> | CommandGroup<ProcessRun<C>> {
  const convert = (each: Command<RunCommand<C>>): Command<ProcessRun<C>> => ({
    ...each,
    async run(config, environment) {
      await using dependencies = await dependenciesOf(definition, config, environment)
      return await each.run(config, dependencies, environment.args)
    },
  })
  return 'run' in command ? convert(command) : { ...command, commands: command.commands.map(convert) }
}

/** Those that `telemetry` tells. */
interface Told {
  readonly events: EventSender | undefined
  readonly metrics: Metrics | undefined
}

async function dependenciesOf<C extends BrokerConfig>(
  definition: ServiceDefinition<C>,
  config: Readonly<C>,
  { log: ofProcess, shutdown }: ProcessEnvironment,
): Promise<ServiceDependencies & Told & AsyncDisposable> {
  const { name: service } = definition
  const instance = instanceName(hostname(), process.pid)
  const log = ofProcess.child({ instance })
  const addresses = parseBrokers(config.Amqp)
  const broker = { addresses, tls: tlsFiles(config), name: `${service}@${hostname()}:${process.pid}` }
  const { QueueType: queueType, MaxMessageSize: maxMessageSize } = config
  const failedQueue = definition.failedQueue(config)
  const events = config.Events ? new EventSender({ ...broker, log, service, instance, failedQueue }) : undefined
  const metrics = config.MetricsListen === '' ? undefined : new Metrics(SERVICE_VERSION)
  const tracer = await openTracer({ service, version: SERVICE_VERSION, instance }, process.env)
  const telemetry = telemetryOf([events, metrics, tracer].filter(each => each !== undefined))
  const queues = definition.queues(config)
  const publisher = new Publisher({ ...broker, log, queues, queueType, telemetry, maxMessageSize })
  return {
    log,
    stop: shutdown.stop,
    publisher,
    telemetry,
    events,
    metrics,
    instance,
    broker,
    async [Symbol.asyncDispose]() {
      await publisher[Symbol.asyncDispose]()
      await events?.[Symbol.asyncDispose]()
      metrics?.[Symbol.dispose]()
      await tracer?.[Symbol.asyncDispose]()
    },
  }
}

async function serve<C extends BrokerConfig>(
  definition: ServiceDefinition<C>,
  config: Readonly<C>,
  environment: ProcessEnvironment,
): Promise<number> {
  await using dependencies = await dependenciesOf(definition, config, environment)
  const { log, publisher, telemetry, broker } = dependencies
  const { shutdown, args } = environment
  const queues = definition.queues(config)
  log.info({ broker: showBrokers(broker.addresses), version: SERVICE_VERSION }, 'starting')
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
      maxMessageSize: config.MaxMessageSize,
      publisher,
      causes,
      log,
      silence,
      telemetry,
      holdLimitMs: holdLimitMs(config),
      stop: shutdown.stop,
      force: shutdown.force,
      onLost: cause => connection.drop(cause),
    })
  })
  await using connection = new BrokerConnection({
    ...broker,
    log: consuming,
    setUp: async model => {
      await declareQueues(model, queues, { type: config.QueueType, silence })
      await Promise.all(consumers.map(consumer => consumer.setUp(model)))
    },
    onLost: cause => {
      for (const consumer of consumers) consumer.lose(cause)
    },
  })
  await using _metrics = await serveOwnMetrics(config, dependencies, {
    connections: { consuming: connection, publishing: publisher.connection },
    consumers,
    events: dependencies.events,
    directories: definition.directories?.(config) ?? {},
    stop: shutdown.stop,
    figures: service.figures ?? [],
  })
  return await consumeUntilStopped({ connection, publisher, consumers, service, telemetry }, { log, shutdown })
}

/** From before there is a connection, so that it can be asked why there is none. */
async function serveOwnMetrics(
  config: Readonly<BrokerConfig>,
  { metrics, log }: Pick<ServiceDependencies & Told, 'metrics' | 'log'>,
  watched: Watched & { readonly figures: readonly Figure[] },
): Promise<AsyncDisposable | undefined> {
  if (!metrics) return undefined
  metrics.add([...serviceFigures(watched), ...watched.figures])
  return serveMetrics({ config, metrics, log, unready: () => unreadyReasons(watched) })
}

interface Running {
  readonly connection: BrokerConnection
  readonly publisher: Publisher
  readonly consumers: readonly Consumer[]
  readonly service: OpenService
  readonly telemetry: Telemetry
}

async function consumeUntilStopped(
  running: Running,
  { log, shutdown }: Pick<ProcessEnvironment, 'log' | 'shutdown'>,
): Promise<number> {
  try {
    await Promise.all([running.publisher.open(shutdown.stop), running.connection.open(shutdown.stop)])
  } catch (error: unknown) {
    if (shutdown.stop.aborted) return 0
    throw error
  }
  const queues = running.service.stages.map(stage => stage.queue)
  log.info({ queues }, 'consuming')
  for (const queue of queues) running.telemetry.happened({ queue }, { event: 'started' })
  await untilAborted(shutdown.stop)
  const isDrained = await drainInTime(running.consumers, shutdown.force, log)
  for (const queue of queues) running.telemetry.happened({ queue }, { event: 'stopped' })
  return isDrained ? 0 : 1
}

function checkBroker(broker: BrokerConfig): string[] {
  try {
    parseBrokers(broker.Amqp)
    return tlsProblems(broker)
  } catch (error: unknown) {
    return [describeError(error)]
  }
}
