// One stage at a real broker, in this process: what the settle tests drive.
import type { TestContext } from 'node:test'
import { brokerForTests, TestBroker, testQueues } from '@cuckoo-distributed/testing'
import { pino } from 'pino'
import { parseBrokers } from '../src/broker/address.js'
import { BrokerConnection } from '../src/broker/connection.js'
import { Consumer } from '../src/broker/consumer.js'
import { Publisher } from '../src/broker/publisher.js'
import { declareQueues, type QueueType } from '../src/broker/queues.js'
import { SharedCauses } from '../src/broker/shared-causes.js'
import { Silence } from '../src/broker/silence.js'
import { bindStage, type Intake, type Logger, type Outcome, type StageContext, type Telemetry } from '../src/index.js'

export interface Harness {
  readonly broker: TestBroker
  readonly queues: { readonly in: string; readonly out: string; readonly failed: string }
  readonly publisher: Publisher
  /** Every log line, parsed. */
  readonly lines: Record<string, unknown>[]
  readonly stop: AbortController
  readonly force: AbortController
  /** Of the consumer. */
  state(): Consumer['state']
  /** Deliveries that are not settled yet. */
  inWork(): number
  /** Loses the consuming connection. */
  cut(): void
  /** Waits until nothing is in work and closes everything, as a service does at its end. */
  end(): Promise<void>
}

export interface HarnessOptions {
  readonly handle: (context: StageContext, queues: Harness['queues']) => Promise<Outcome>
  readonly prefetch?: number
  readonly isCostly?: boolean
  readonly bytesInHand?: number
  readonly holdLimitMs?: number
  readonly maxMessageSize?: number
  /** See PublisherOptions. */
  readonly patienceMs?: number
  readonly quietMs?: number
  readonly maxUnansweredBytes?: number
  readonly silentMs?: number
  readonly intake?: Intake
  readonly telemetry?: (failedQueue: string, log: Logger) => Telemetry
  readonly leastPublishMs?: number
  /** Default: classic. */
  readonly queueType?: QueueType
  /** A broker of the test's own. Default: that of the test run. */
  readonly url?: string
  /** Where a connection goes another way, or may go several. */
  readonly publishUrl?: string | readonly string[]
  readonly consumeUrl?: string | readonly string[]
}

export async function startHarness(t: TestContext, options: HarnessOptions): Promise<Harness> {
  const broker = await (options.url === undefined ? brokerForTests(t) : ownBroker(t, options.url))
  const queues = await testQueues(t, broker, 'in', 'out', 'failed')
  const lines: Record<string, unknown>[] = []
  const log = pino({ level: 'debug' }, { write: (line: string) => lines.push(JSON.parse(line)) })
  const stop = new AbortController()
  const force = new AbortController()
  const own = Object.values(queues).map(name => ({ name }))
  const { maxMessageSize = 16 * 1024 * 1024, queueType = 'classic' } = options
  // Those that `testQueues` declares are classic.
  if (queueType === 'quorum') for (const queue of Object.values(queues)) await broker.delete(queue)
  const publisher = new Publisher({
    addresses: parseBrokers(options.publishUrl ?? broker.url),
    name: 'test publisher',
    log,
    queues: own,
    queueType,
    maxMessageSize,
    patienceMs: options.patienceMs,
    quietMs: options.quietMs,
    maxUnansweredBytes: options.maxUnansweredBytes,
    silentMs: options.silentMs,
  })
  const silence = new Silence(log, options.silentMs)
  const bound = bindStage({
    queue: queues.in,
    prefetch: options.prefetch ?? 10,
    isCostly: options.isCostly,
    intake: options.intake,
    decode: body => body,
    handle: (_, context) => options.handle(context, queues),
  })
  const stage = { ...bound, bytesInHand: options.bytesInHand }
  const consumer = new Consumer(stage, {
    service: 'test_service',
    failedQueue: queues.failed,
    maxMessageSize,
    publisher,
    causes: new SharedCauses(),
    log,
    silence,
    telemetry: options.telemetry?.(queues.failed, log),
    holdLimitMs: options.holdLimitMs ?? 60_000,
    leastPublishMs: options.leastPublishMs,
    stop: stop.signal,
    force: force.signal,
    onLost: cause => link.drop(cause),
  })
  const link = new BrokerConnection({
    addresses: parseBrokers(options.consumeUrl ?? broker.url),
    name: 'test consumer',
    log,
    setUp: async connection => {
      await declareQueues(connection, own, { type: queueType, silence })
      await consumer.setUp(connection)
    },
    onLost: cause => consumer.lose(cause),
  })
  const end = async () => {
    stop.abort()
    await consumer.drain()
    await link[Symbol.asyncDispose]()
    await publisher[Symbol.asyncDispose]()
  }
  t.after(async () => {
    force.abort()
    await end()
  })
  await publisher.open(stop.signal)
  await link.open(stop.signal)
  const cut = () => link.drop(new Error('cut by the test'))
  return {
    broker,
    queues,
    publisher,
    lines,
    stop,
    force,
    state: () => consumer.state,
    inWork: () => consumer.inWork,
    cut,
    end,
  }
}

async function ownBroker(t: TestContext, url: string): Promise<TestBroker> {
  const broker = await TestBroker.connect(url)
  t.after(() => broker.close())
  return broker
}

/** What is said about one step from now on; a busy machine may have named it before. */
export function stepsOf(lines: Harness['lines'], step: string): () => unknown[] {
  const from = lines.length
  return () =>
    lines
      .slice(from)
      .filter(line => line.step === step)
      .map(line => line.msg)
}

/** A promise that somebody else settles. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = () => {}
  const opened = new Promise<void>(resolve => {
    open = resolve
  })
  return { opened, open: () => open() }
}
