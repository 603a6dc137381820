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
import type { Arguments, Command, CommandGroup } from './command-line.js'
import { describeError } from './errors.js'
import type { Logger } from './logger.js'
import { type ProcessDefinition, type ProcessEnvironment, runProcess, type SchemaOf } from './process.js'
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

/** Carries out a command; resolves with the exit code. Its publisher is not open yet. */
export type RunCommand<C> = (config: Readonly<C>, dependencies: ServiceDependencies, args: Arguments) => Promise<number>
export type ServiceCommands<C> = readonly (Command<RunCommand<C>> | CommandGroup<RunCommand<C>>)[]

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
  /** To be done in place of consuming. */
  readonly commands?: ServiceCommands<C>
  /** Something to do in place of consuming, when the options of the plain start ask for it; resolves with the exit code. */
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
    commands: (definition.commands ?? []).map(command => asProcessCommand(definition, command)),
    check: config => [...checkBroker(config), ...(definition.check?.(config) ?? [])],
    advise: config => definition.advise?.(config) ?? [],
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
    async run(config, { log, shutdown, args }) {
      const shared = sharedBy(definition, config)
      await using publisher = publisherOf(definition, config, { ...shared, log })
      return await each.run(config, { log, stop: shutdown.stop, publisher }, args)
    },
  })
  return 'run' in command ? convert(command) : { ...command, commands: command.commands.map(convert) }
}

/** What all connections of the process have in common. */
function sharedBy<C extends BrokerConfig>({ name }: ServiceDefinition<C>, config: Readonly<C>) {
  const addresses = parseBrokers(config.Amqp)
  return { addresses, tls: tlsFiles(config), name: `${name}@${hostname()}:${process.pid}` }
}

function publisherOf<C extends BrokerConfig>(
  definition: ServiceDefinition<C>,
  config: Readonly<C>,
  shared: ReturnType<typeof sharedBy> & { readonly log: Logger },
): Publisher {
  const { QueueType: queueType, MaxMessageSize: maxMessageSize } = config
  return new Publisher({ ...shared, queues: definition.queues(config), queueType, maxMessageSize })
}

async function serve<C extends BrokerConfig>(
  definition: ServiceDefinition<C>,
  config: Readonly<C>,
  environment: ProcessEnvironment,
): Promise<number> {
  const { log, shutdown, args } = environment
  const queues = definition.queues(config)
  const shared = sharedBy(definition, config)
  const { addresses } = shared
  log.info({ broker: showBrokers(addresses), version: process.env.SERVICE_VERSION ?? 'development' }, 'starting')
  await using publisher = publisherOf(definition, config, { ...shared, log })
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
      maxMessageSize: config.MaxMessageSize,
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
      await declareQueues(model, queues, { type: config.QueueType, silence })
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
