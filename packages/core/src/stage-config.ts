// The configuration keys of every service that consumes from the broker. Names and meanings are the Go suite's unless a key says otherwise.
import Type, { type Static } from 'typebox'
import { MetricsKeys } from './metrics/config.js'

const MiB = 1024 * 1024

/** Keys of every service that consumes from the broker. */
export const BrokerKeys = {
  Amqp: Type.Union([Type.String({ minLength: 1 }), Type.Array(Type.String({ minLength: 1 }), { minItems: 1 })], {
    description:
      'The broker: `amqp://USER:PASSWORD@HOST:PORT[/VHOST]` or `amqps://…`. Several brokers of a cluster are hosts with commas between (`HOST:PORT,HOST:PORT`) or a list of such URLs; the next one is tried when one is gone or does not answer. What is special in a URL is percent-encoded in user, password and vhost',
  }),
  AmqpCA: Type.String({
    default: '',
    description: 'For `amqps`: PEM file of the authorities to trust in place of the usual ones',
  }),
  AmqpCert: Type.String({
    default: '',
    description: "For `amqps`: PEM file of this client's certificate, if the broker wants one",
  }),
  AmqpKey: Type.String({ default: '', description: 'For `amqps`: PEM file of the key that belongs to `AmqpCert`' }),
  ConsumerQueue: Type.String({ minLength: 1, description: 'Queue to consume from' }),
  LogFile: Type.String({ default: '', description: 'File to append log lines to; empty = stdout only, else both' }),
  LogLevel: Type.Union([Type.Literal('debug'), Type.Literal('info'), Type.Literal('warning')], {
    default: 'info',
    description: '`debug`, `info` or `warning`',
  }),
  Events: Type.Boolean({
    default: true,
    description:
      "Tell the overseer's journal what becomes of each message, through the queue `<FailedQueue>.events`; nothing else depends on that",
  }),
  ...MetricsKeys,
  HoldLimit: Type.Integer({
    default: 600,
    minimum: 1,
    maximum: 86_400,
    description:
      'Seconds a message may wait inside a process before it goes to the end of its queue; keep it below the consumer timeout of the broker (30 minutes by default)',
  }),
  DrainTime: Type.Integer({
    default: 25,
    minimum: 0,
    maximum: 3600,
    description: 'Seconds that work in progress may go on after the first SIGTERM or SIGINT',
  }),
  QueueType: Type.Union([Type.Literal('classic'), Type.Literal('quorum')], {
    default: 'classic',
    description: '`classic` (declared as the Go suite did) or `quorum`; must fit the queues that exist',
  }),
  MaxMessageSize: Type.Integer({
    default: 16 * MiB,
    minimum: MiB / 16,
    maximum: 512 * MiB,
    description: 'Bytes of the largest message to publish; not above the `max_message_size` of the broker',
  }),
}

/** Keys of the stages that pass messages on and report failures to the overseer. */
export const StageKeys = {
  ...BrokerKeys,
  FailedQueue: Type.String({ minLength: 1, description: 'Queue for failed messages; the overseer consumes it' }),
}

/** How many messages a process works on at a time; each service has its own default. */
export function prefetchKey(recommended: number, meaning: string) {
  return Type.Integer({ default: recommended, minimum: 1, maximum: 65_535, description: meaning })
}

const Broker = Type.Object(BrokerKeys)
const Stage = Type.Object(StageKeys)

/** What every service that consumes has; `FailedQueue` is the consumer queue itself in the overseer. */
export type BrokerConfig = Static<typeof Broker> & { readonly PrefetchCount: number }
export type StageConfig = Static<typeof Stage> & { readonly PrefetchCount: number }
