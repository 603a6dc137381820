// One consumer on channels that write down what they are asked for, and fail or hang where the test says so.
import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { TestContext } from 'node:test'
import type { ChannelModel, ConsumeMessage } from 'amqplib'
import { Consumer } from '../src/broker/consumer.js'
import type { Doubt } from '../src/broker/publisher.js'
import { SharedCauses } from '../src/broker/shared-causes.js'
import { Silence } from '../src/broker/silence.js'
import type { Outcome } from '../src/index.js'
import type { BoundStage } from '../src/stage.js'
import type { Telemetry } from '../src/telemetry.js'
import { logOf } from './fake-broker.js'

type OnMessage = (message: ConsumeMessage | null) => void

class FakeChannel extends EventEmitter {
  readonly steps: string[] = []
  /** What becomes of a step that begins so, in place of its answer. */
  readonly answers = new Map<string, () => Promise<void>>()
  receive: OnMessage = () => assert.fail('nobody consumes')

  async prefetch(count: number): Promise<void> {
    await this.#step(`qos ${count}`)
  }

  async consume(queue: string, receive: OnMessage): Promise<{ consumerTag: string }> {
    this.receive = receive
    await this.#step(`consume ${queue}`)
    return { consumerTag: `tag ${this.steps.length}` }
  }

  async cancel(tag: string): Promise<void> {
    await this.#step(`cancel ${tag}`)
  }

  ack(message: ConsumeMessage): void {
    this.steps.push(`ack ${message.fields.deliveryTag}`)
  }

  nack(message: ConsumeMessage, _allUpTo: boolean, requeue: boolean): void {
    this.steps.push(`nack ${message.fields.deliveryTag} ${requeue}`)
  }

  async close(): Promise<void> {
    await this.#step('close')
  }

  async #step(step: string): Promise<void> {
    this.steps.push(step)
    await this.answers.get(step.split(' ')[0] ?? '')?.()
  }
}

export function scene(t: TestContext, options: Partial<BoundStage> = {}) {
  const stop = new AbortController()
  const force = new AbortController()
  const lost: string[] = []
  const came: number[] = []
  const doubters: ((doubt: Doubt) => void)[] = []
  const finish: ((outcome: Outcome | Error) => void)[] = []
  const stage: BoundStage = {
    queue: 'q',
    prefetch: 2,
    run: delivery =>
      new Promise((resolve, reject) => {
        finish.push(outcome => (outcome instanceof Error ? reject(outcome) : resolve(outcome)))
        delivery.waiting.addEventListener('abort', () => reject(delivery.waiting.reason), { once: true })
      }),
    ...options,
  }
  const { log, lines, messages } = logOf()
  const told: unknown[] = []
  const telemetry: Telemetry = {
    happened: (subject, { event, reason }) => void told.push({ ...subject, event, ...(reason && { reason }) }),
    took: (what, queue, seconds) => void told.push([what, queue, seconds]),
    settled: (queue, how) => void told.push([how, queue]),
  }
  const consumer = new Consumer(stage, {
    service: 'svc',
    failedQueue: 'failed',
    maxMessageSize: 1000,
    publisher: {
      publish: async () => 'once',
      cameAgain: at => void came.push(at),
      onDoubt: listener => void doubters.push(listener),
    },
    causes: new SharedCauses(),
    log,
    telemetry,
    silence: new Silence(log),
    holdLimitMs: 60_000,
    stop: stop.signal,
    force: force.signal,
    onLost: cause => void lost.push(cause.message),
  })
  const setUp = async () => {
    const channel = new FakeChannel()
    t.after(() => channel.emit('close'))
    await consumer.setUp({ createChannel: async () => channel } as unknown as ChannelModel)
    return channel
  }
  return { consumer, setUp, stop, force, lost, came, doubters, finish, told, lines, messages }
}

export function message(deliveryTag: number, body = `body ${deliveryTag}`, redelivered = false): ConsumeMessage {
  return {
    fields: { deliveryTag, redelivered },
    properties: { headers: {} },
    content: Buffer.from(body),
  } as ConsumeMessage
}

export async function turns(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await new Promise(resolve => setImmediate(resolve))
}
