// The configuration keys that the stages share. Names and meanings are the Go suite's unless a key says otherwise.
import Type, { type Static } from 'typebox'

const MiB = 1024 * 1024

/** Keys of every service that consumes from the broker. */
export const BrokerKeys = {
  Amqp: Type.String({
    minLength: 1,
    description: 'AMQP connection: `amqp://USER:PASSWORD@HOST:PORT[/VHOST]` or `amqps://…`',
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

/** Keys of the services that talk HTTP. */
export const VerifySSL = Type.Boolean({ default: true, description: 'Check the certificates of HTTPS servers' })

export const CritsURL = Type.String({
  default: '',
  description: 'Base URL of CRITs for messages that name none (the CRITs service of the Go suite sends none)',
})

const urlList = (what: string) =>
  Type.Array(Type.String({ minLength: 1 }), {
    default: [],
    description: `${what} that messages may name (scheme, host, port and path prefix); empty = any`,
  })
export const AllowedCritsURLs = urlList('CRITs base URLs')
export const AllowedCuckooURLs = urlList('Cuckoo base URLs')

export const CuckooTokens = Type.Record(Type.String(), Type.String({ minLength: 1 }), {
  default: {},
  description:
    'API tokens by base URL of the Cuckoo, `{"http://cuckoo:8090": "${CUCKOO_TOKEN}"}`; sent as `Authorization: Bearer`',
})

export const TmpDir = Type.String({
  default: '',
  description: 'Directory for samples and archives on their way; empty = the temporary directory of the system',
})

const Broker = Type.Object(BrokerKeys)
const Stage = Type.Object(StageKeys)

/** What every service that consumes has; `FailedQueue` is the consumer queue itself in the overseer. */
export type BrokerConfig = Static<typeof Broker> & { readonly PrefetchCount: number }
export type StageConfig = Static<typeof Stage> & { readonly PrefetchCount: number }
