// One stage at a real broker, in this process: what the settle tests drive.
import type { TestContext } from 'node:test'
import { brokerForTests, TestBroker, testQueues } from '@cuckoo-distributed/testing'
import { pino } from 'pino'
import { Consumer } from '../src/broker/consumer.js'
import { BrokerLink } from '../src/broker/link.js'
import { Publisher } from '../src/broker/publisher.js'
import { declareQueue, type QueueType } from '../src/broker/queues.js'
import { SharedCauses } from '../src/broker/shared-causes.js'
import { bindStage, type Intake, type Outcome, type StageContext } from '../src/index.js'

export interface Harness {
  readonly broker: TestBroker
  readonly queues: { readonly in: string; readonly out: string; readonly failed: string }
  readonly publisher: Publisher
  /** Every log line, parsed. */
  readonly lines: Record<string, unknown>[]
  readonly stop: AbortController
  readonly force: AbortController
  /** Loses the consuming connection. */
  cut(): void
  /** Waits until nothing is in work and closes everything, as a service does at its end. */
  end(): Promise<void>
}

export interface HarnessOptions {
  readonly handle: (context: StageContext, queues: Harness['queues']) => Promise<Outcome>
  readonly prefetch?: number
  readonly holdLimitMs?: number
  readonly maxMessageSize?: number
  readonly confirmTimeoutMs?: number
  readonly intake?: Intake
  readonly leastPublishMs?: number
  /** Default: classic. */
  readonly queueType?: QueueType
  /** A broker of the test's own. Default: that of the test run. */
  readonly url?: string
  /** URL of the publishing connection, where it differs from the consuming one. */
  readonly publishUrl?: string
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
    url: options.publishUrl ?? broker.url,
    name: 'test publisher',
    log,
    queues: own,
    queueType,
    maxMessageSize,
    confirmTimeoutMs: options.confirmTimeoutMs ?? 5000,
  })
  const stage = bindStage({
    queue: queues.in,
    prefetch: options.prefetch ?? 10,
    intake: options.intake,
    decode: body => body,
    handle: (_, context) => options.handle(context, queues),
  })
  const consumer = new Consumer(stage, {
    service: 'test_service',
    failedQueue: queues.failed,
    maxMessageSize,
    publisher,
    causes: new SharedCauses(),
    log,
    holdLimitMs: options.holdLimitMs ?? 60_000,
    leastPublishMs: options.leastPublishMs,
    stop: stop.signal,
    force: force.signal,
    onLost: cause => link.drop(cause),
  })
  const link = new BrokerLink({
    url: broker.url,
    name: 'test consumer',
    log,
    setUp: async connection => {
      const channel = await connection.createChannel()
      for (const queue of own) await declareQueue(channel, queue, queueType)
      await channel.close()
      await consumer.setUp(connection)
    },
    onLost: cause => consumer.lose(cause),
  })
  const end = async () => {
    stop.abort()
    await consumer.drain()
    await link.close()
    await publisher.close()
  }
  t.after(async () => {
    force.abort()
    await end()
  })
  await publisher.open(stop.signal)
  await link.open(stop.signal)
  return { broker, queues, publisher, lines, stop, force, cut: () => link.drop(new Error('cut by the test')), end }
}

async function ownBroker(t: TestContext, url: string): Promise<TestBroker> {
  const broker = await TestBroker.connect(url)
  t.after(() => broker.close())
  return broker
}

/** A promise that somebody else settles. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = () => {}
  const opened = new Promise<void>(resolve => {
    open = resolve
  })
  return { opened, open: () => open() }
}
