// One delivery before a channel and a publisher that write down in which order they are used.
import type { TestContext } from 'node:test'
import { fakeClock } from '@cuckoo-distributed/testing'
import type { Channel, ConsumeMessage } from 'amqplib'
import { pino } from 'pino'
import { LiveDelivery, Session } from '../src/broker/delivery.js'
import type { PublishOptions } from '../src/broker/publisher.js'
import { type Result, settle } from '../src/broker/settle.js'
import { SharedCauses } from '../src/broker/shared-causes.js'
import type { HeaderTable } from '../src/headers.js'
import type { Happening } from '../src/index.js'

/** What becomes of the next publish: an error that is thrown, or no answer at all. */
export type Answer = Error | 'no answer' | 'confirmed'

export interface SceneOptions {
  readonly answers?: readonly Answer[]
  readonly redelivered?: boolean
  readonly headers?: Record<string, unknown>
  readonly holdLimitMs?: number
  readonly leastPublishMs?: number
  readonly maxMessageSize?: number
  readonly body?: string | Buffer
}

export function settleScene(t: TestContext, options: SceneOptions = {}) {
  const clock = fakeClock(t)
  const steps: string[] = []
  const told: Happening[] = []
  const lines: Record<string, unknown>[] = []
  const sent: { queue: string; body: Buffer; headers: HeaderTable; terms: PublishOptions | undefined }[] = []
  const answers = [...(options.answers ?? [])]
  let isClosed = false
  const onChannel = (step: string) => {
    if (isClosed) throw new Error('Channel closed')
    steps.push(step)
  }
  const session = new Session({
    ack: () => onChannel('ack'),
    nack: (_message: unknown, allUpTo: boolean, requeue: boolean) => onChannel(`nack ${allUpTo} ${requeue}`),
    prefetch: async (count: number) => onChannel(`round trip ${count}`),
  } as unknown as Channel)
  session.prefetch = 7
  const message = {
    fields: { redelivered: options.redelivered ?? false },
    properties: { headers: options.headers ?? {} },
    content: Buffer.from(options.body ?? '{"a":1}'),
  } as unknown as ConsumeMessage
  const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(JSON.parse(line)) })
  const delivery = new LiveDelivery(session, message, {
    queue: 'own',
    isCostly: false,
    holdLimitMs: options.holdLimitMs ?? 600_000,
    log,
    telemetry: { happened: (_subject, happening) => void told.push(happening) },
  })
  t.after(() => delivery[Symbol.dispose]())
  const publisher = {
    cameAgain: () => undefined,
    onDoubt: () => undefined,
    async publish(queue: string, body: Buffer, headers: HeaderTable, signal: AbortSignal, terms?: PublishOptions) {
      steps.push(`publish ${queue}`)
      sent.push({ queue, body, headers, terms })
      const answer = answers.shift() ?? 'confirmed'
      if (answer instanceof Error) throw answer
      if (answer === 'confirmed') return 'once' as const
      return new Promise<never>((_, reject) => {
        if (signal.aborted) reject(signal.reason)
        signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      })
    },
  }
  const stop = new AbortController()
  const causes = new SharedCauses()
  return {
    causes,
    clock,
    steps,
    told,
    sent,
    stop,
    session,
    delivery,
    /** What is said in the log at this level and above. */
    said: (level: number) => lines.filter(line => Number(line.level) >= level).map(({ msg }) => String(msg)),
    closeChannel: () => {
      isClosed = true
    },
    settle: (result: Result) =>
      settle(delivery, result, {
        service: 'svc',
        failedQueue: 'failed',
        maxMessageSize: options.maxMessageSize ?? 1000,
        publisher,
        causes,
        leastPublishMs: options.leastPublishMs,
        stop: stop.signal,
      }),
  }
}
