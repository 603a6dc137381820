/** A plain AMQP client for tests and the demo: publishes exactly what it is given and looks into queues. */
import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import type { TestContext } from 'node:test'
import { type Channel, type ChannelModel, type ConfirmChannel, connect, type GetMessage, type Options } from 'amqplib'
import { hasPassed } from './test-outcome.js'
import { waitFor } from './wait-for.js'

/** A message taken from a queue. */
export interface TakenMessage {
  readonly body: Buffer
  readonly headers: Readonly<Record<string, unknown>>
  readonly properties: GetMessage['properties']
  readonly redelivered: boolean
}

/** RABBITMQ_URL is not set. */
export class NoTestBrokerError extends Error {
  override readonly name = 'NoTestBrokerError'
  readonly code = 'NO_TEST_BROKER'
  constructor() {
    super('RABBITMQ_URL is not set: `npm test` starts a RabbitMQ for the tests, or set it to a broker of yours')
  }
}

/** The broker of this test run, connected until the test ends. Throws NoTestBrokerError without RABBITMQ_URL. */
export async function brokerForTests(t: TestContext): Promise<TestBroker> {
  const url = process.env.RABBITMQ_URL
  if (url === undefined || url === '') throw new NoTestBrokerError()
  const broker = await TestBroker.connect(url)
  t.after(() => broker.close())
  return broker
}

/**
 * Declares one empty durable queue for each role and returns their names, which are the same in every run:
 * `test.<hash of file and test title>.<role>`. Together with the queues that a service derives from them
 * (`<name>.…` by the suffixes in `derived`) they are deleted first, and again when the test has passed;
 * after a failure they stay for inspection.
 */
export async function testQueues<Role extends string>(
  t: TestContext,
  broker: TestBroker,
  ...roles: Role[]
): Promise<Record<Role, string>> {
  const hash = createHash('sha256')
    .update(`${basename(process.argv[1] ?? '')} ${t.fullName}`)
    .digest('hex')
    .slice(0, 10)
  const names = roles.map(role => [role, `test.${hash}.${role}`] as const)
  const remove = async (connected: TestBroker) => {
    for (const [, name] of names) for (const suffix of derived) await connected.delete(name + suffix)
  }
  await remove(broker)
  for (const [, name] of names) await broker.declare(name)
  t.after(async () => {
    if (!hasPassed(t)) return
    // A connection of its own: hooks run in the order they were added, so the test's is closed by now.
    const cleaner = await TestBroker.connect(broker.url)
    await remove(cleaner)
    await cleaner.close()
  })
  return Object.fromEntries(names) as Record<Role, string>
}

const derived = ['', '.lost', '.events', ...[1, 10, 60, 300, 600].map(seconds => `.delay.${seconds}`)]

export class TestBroker {
  readonly url: string
  readonly #connection: ChannelModel
  readonly #confirming: ConfirmChannel
  readonly #plain: Channel

  private constructor(url: string, connection: ChannelModel, confirming: ConfirmChannel, plain: Channel) {
    this.url = url
    this.#connection = connection
    this.#confirming = confirming
    this.#plain = plain
  }

  static async connect(url: string): Promise<TestBroker> {
    const connection = await connect(url)
    // Failures reach the callers through their own calls; without a listener they would end the process.
    connection.on('error', () => {})
    const confirming = await connection.createConfirmChannel()
    const plain = await connection.createChannel()
    for (const channel of [confirming, plain]) channel.on('error', () => {})
    return new TestBroker(url, connection, confirming, plain)
  }

  /** Declares a queue, durable unless the options say otherwise. */
  async declare(queue: string, options: Options.AssertQueue = {}): Promise<void> {
    await this.#onChannel(channel => channel.assertQueue(queue, { durable: true, ...options }))
  }

  /** Deletes a queue with what is in it; a queue that does not exist is fine. */
  async delete(queue: string): Promise<void> {
    await this.#onChannel(channel => channel.deleteQueue(queue))
  }

  /**
   * Publishes `body` to the queue through the default exchange with exactly these properties and resolves when the
   * broker has confirmed it. With `confirm: false` nothing is waited for, as CRITs does it.
   */
  async publish(
    queue: string,
    body: Buffer | string,
    properties: Options.Publish & { confirm?: boolean } = {},
  ): Promise<void> {
    const { confirm = true, ...options } = properties
    const channel = confirm ? this.#confirming : this.#plain
    channel.publish('', queue, Buffer.from(body), options)
    if (confirm) await this.#confirming.waitForConfirms()
  }

  /** Takes the first ready message out of the queue. */
  async take(queue: string): Promise<TakenMessage | undefined> {
    return this.#onChannel(async channel => {
      const message = await channel.get(queue, { noAck: true })
      if (message === false) return undefined
      const { content: body, fields, properties } = message
      return { body, headers: properties.headers ?? {}, properties, redelivered: fields.redelivered }
    })
  }

  /** Takes every ready message out of the queue, first come first. */
  async takeAll(queue: string): Promise<TakenMessage[]> {
    const messages: TakenMessage[] = []
    for (;;) {
      const message = await this.take(queue)
      if (message === undefined) return messages
      messages.push(message)
    }
  }

  /** Takes the next message out of the queue, waiting for it at most `deadlineMs` (120,000). */
  async expectMessage(queue: string, options: { deadlineMs?: number } = {}): Promise<TakenMessage> {
    return waitFor(() => this.take(queue), { ...options, describe: `a message in ${queue}` })
  }

  /** Number of ready messages; `undefined` when there is no such queue. Unacknowledged ones are not counted. */
  async depth(queue: string): Promise<number | undefined> {
    return (await this.#look(queue))?.messageCount
  }

  /** Number of consumers; `undefined` when there is no such queue. */
  async consumers(queue: string): Promise<number | undefined> {
    return (await this.#look(queue))?.consumerCount
  }

  async close(): Promise<void> {
    try {
      await this.#connection.close()
    } catch (error: unknown) {
      if (!(error instanceof Error && error.name === 'IllegalOperationError')) throw error
    }
  }

  async #look(queue: string) {
    try {
      return await this.#onChannel(channel => channel.checkQueue(queue))
    } catch (error: unknown) {
      if (error instanceof Error && 'code' in error && error.code === 404) return undefined
      throw error
    }
  }

  /** A channel for one operation: the broker closes the channel of an operation it refuses. */
  async #onChannel<T>(operate: (channel: Channel) => Promise<T>): Promise<T> {
    const channel = await this.#connection.createChannel()
    channel.on('error', () => {})
    const result = await operate(channel)
    await channel.close()
    return result
  }
}
