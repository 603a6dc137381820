// The configuration keys of every service that consumes from the broker. Names and meanings are the Go suite's unless a key says otherwise.
import Type, { type Static } from 'typebox'
import { MetricsKeys } from './metrics/config.js'

const MiB = 1024 * 1024

/** Keys of every service that consumes from the broker. */
export const BrokerKeys = {
  Amqp: Type.Union([Type.String({ minLength: 1 }), Type.Array(Type.String({ minLength: 1 }), { minItems: 1 })], {
    description:
      'The broker: `amqp://USER:PASSWORD@HOST:PORT[/VHOST]` or `amqps://…`. For a cluster, separate the hosts by commas (`HOST:PORT,HOST:PORT`) or give a list of such URLs; if one broker is unavailable, the next one is tried. Special characters in user, password and vhost are percent-encoded',
  }),
  AmqpCA: Type.String({
    default: '',
    description: 'For `amqps`: PEM file of the authorities to trust instead of the default ones',
  }),
  AmqpCert: Type.String({
    default: '',
    description: "For `amqps`: PEM file of this client's certificate, if the broker requires one",
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
      "Tell the overseer's journal what happens to each message, through the queue `<FailedQueue>.events`; nothing else depends on it",
  }),
  ...MetricsKeys,
  HoldLimit: Type.Integer({
    default: 600,
    minimum: 1,
    maximum: 86_400,
    description:
      'Seconds for which a process may hold a message before it returns it to the end of its queue; keep it below the consumer timeout of the broker (30 minutes by default)',
  }),
  DrainTime: Type.Integer({
    default: 25,
    minimum: 0,
    maximum: 3600,
    description: 'Seconds for work in progress to finish after the first SIGTERM or SIGINT',
  }),
  QueueType: Type.Union([Type.Literal('classic'), Type.Literal('quorum')], {
    default: 'classic',
    description: '`classic` (declared as the Go suite did) or `quorum`; must match existing queues',
  }),
  MaxMessageSize: Type.Integer({
    default: 16 * MiB,
    minimum: MiB / 16,
    maximum: 512 * MiB,
    description: 'Largest message to publish, in bytes; at most the `max_message_size` of the broker',
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

/** Milliseconds. */
export function holdLimitMs({ HoldLimit }: Pick<BrokerConfig, 'HoldLimit'>): number {
  return HoldLimit * 1000
}

/** What every service that consumes has; `FailedQueue` is the consumer queue itself in the overseer. */
export type BrokerConfig = Static<typeof Broker> & { readonly PrefetchCount: number }
