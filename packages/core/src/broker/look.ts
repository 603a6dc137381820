// A broker is looked at without changing anything in it: can it be reached, and may this user do what its service does.
import { randomUUID } from 'node:crypto'
import { connect as connectTls } from 'node:tls'
import { orAbort } from '@cuckoo-distributed/wait'
import type { ChannelModel } from 'amqplib'
import { describeError, errorCode, ServiceError, toError } from '../errors.js'
import type { Look } from '../look.js'
import { networkWords } from '../network-words.js'
import type { BrokerConfig } from '../stage-config.js'
import { type BrokerAddress, parseBrokers, showBrokers } from './address.js'
import { closeQuietly, connectTo } from './connection.js'
import { declareQueue, type OwnQueue, onChannel } from './queues.js'
import { isRefusal, refusalHelp } from './refusal.js'
import { tlsFiles } from './tls.js'

const ANSWER_MS = 10_000
const TLS_PROBE_MS = 3000

/** Each broker by itself, and the rights of the user on the first that answers. */
export function brokerLooks(config: BrokerConfig, queues: readonly OwnQueue[]): Look[] {
  const addresses = parseBrokers(config.Amqp)
  const options = { tls: tlsFiles(config), name: 'check-config' }
  const each = addresses.map(address => ({
    what: `broker ${address.shown}`,
    async problems() {
      try {
        await closeQuietly(await connectTo(address, options))
        return []
      } catch (error: unknown) {
        return [await connectProblem(toError(error), address)]
      }
    },
  }))
  const rights: Look = {
    what: 'queues and rights of the broker',
    async problems(signal) {
      const work = withBroker(config, signal, async connection => {
        const problems: string[] = []
        for (const queue of queues) problems.push(...(await queueProblems(connection, queue, config, signal)))
        problems.push(...(await publishProblems(connection, signal)))
        return problems
      })
      return work.catch((error: unknown) => {
        signal.throwIfAborted()
        if (errorCode(error) !== 'BROKER_REFUSED') throw error
        return ['not checked: no broker accepts the connection']
      })
    },
  }
  return [...each, rights]
}

/** Uses a connection to the first broker that answers. Throws ServiceError (BROKER_REFUSED) with what is wrong with the last. */
export async function withBroker<T>(
  config: BrokerConfig,
  signal: AbortSignal,
  use: (connection: ChannelModel) => Promise<T>,
): Promise<T> {
  let problem = ''
  for (const address of parseBrokers(config.Amqp)) {
    let connection: ChannelModel
    try {
      connection = await orAbort(connectTo(address, { tls: tlsFiles(config), name: 'command' }), signal)
    } catch (error: unknown) {
      signal.throwIfAborted()
      problem = `${showBrokers([address])}: ${await connectProblem(toError(error), address)}`
      continue
    }
    connection.on('error', () => undefined) // rejects what is awaited as well
    try {
      return await use(connection)
    } finally {
      await closeQuietly(connection)
    }
  }
  throw new ServiceError('BROKER_REFUSED', problem)
}

const CERTIFICATE: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'its certificate has expired, or the clock of this machine is wrong',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet: most likely the clock of this machine is wrong',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name: use the host name that is in the certificate',
}
const UNTRUSTED = /SELF_SIGNED|UNABLE_TO_(GET_ISSUER|VERIFY)|CERT_UNTRUSTED|INVALID_CA/
const NO_TLS = /WRONG_VERSION_NUMBER|EPROTO|PACKET_LENGTH_TOO_LONG|RECORD_LAYER/
const CLIENT_CERTIFICATE = /ALERT_CERTIFICATE_REQUIRED|ALERT_HANDSHAKE_FAILURE|ALERT_BAD_CERTIFICATE|UNKNOWN_CA/

async function connectProblem(error: Error, address: BrokerAddress): Promise<string> {
  const code = errorCode(error)
  const words = networkWords(code, 'RabbitMQ') ?? CERTIFICATE[code]
  if (words !== undefined) return words
  if (isRefusal(error)) return refusalHelp(error)
  if (UNTRUSTED.test(code)) return 'its certificate is not trusted: set "AmqpCA" to the file of its authority'
  if (address.options.protocol === 'amqps') {
    if (NO_TLS.test(code)) return 'the port does not use TLS: write amqp://, or the port for TLS (5671)'
    if (CLIENT_CERTIFICATE.test(code)) return 'it requires a client certificate: set "AmqpCert" and "AmqpKey"'
  } else if (await speaksTls(address)) return 'the port uses TLS: write amqps://, or the port without TLS (5672)'
  if (/timed? ?out/i.test(error.message)) return 'the host does not answer: a firewall, or no broker'
  return `no broker that speaks AMQP 0-9-1 answers there: ${describeError(error)}`
}

/** Nothing but the handshake: whose certificate it is does not matter. */
function speaksTls({ options: { hostname: host = '', port = 0 } }: BrokerAddress): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connectTls({ host, port, rejectUnauthorized: false })
    const end = (isTls: boolean) => {
      socket.destroy()
      resolve(isTls)
    }
    socket.setTimeout(TLS_PROBE_MS, () => end(false))
    socket.once('secureConnect', () => end(true))
    socket.once('error', () => end(false))
  })
}

/**
 * Rights are looked at with arguments that the broker can only refuse, and it refuses them after it has looked at the rights:
 * nothing is declared or consumed (`rabbitmq/rabbitmq-server:deps/rabbit/src/rabbit_channel.erl`, `check_configure_permitted` and
 * `check_read_permitted`, before `rabbit_amqqueue:declare` and `basic_consume` check arguments).
 */
async function queueProblems(
  connection: ChannelModel,
  queue: OwnQueue,
  { QueueType }: BrokerConfig,
  signal: AbortSignal,
): Promise<string[]> {
  const { name } = queue
  const isThere = (await lookAtQueue(connection, name, signal)).state === 'there'
  const problems: string[] = []
  const refusal = await refusalOf(connection, signal, async channel => {
    if (isThere) await declareQueue(channel, queue, QueueType)
    else await channel.assertQueue(name, { durable: true, arguments: { 'x-expires': 'check' } })
  })
  if (refusal.code === '403')
    problems.push(`the user may not declare "${name}": it lacks the permission "configure" on it`)
  else if (refusal.code === 'QUEUE_MISMATCH') problems.push(refusal.message)
  if (!queue.isConsumed) return problems
  const read = await refusalOf(connection, signal, async channel => {
    await channel.consume(name, () => undefined, { arguments: { 'x-priority': 'check' } })
  })
  if (read.code === '403')
    problems.push(`the user may not consume from "${name}": it lacks the permission "read" on it`)
  return problems
}

/** To a queue that nobody has: the broker returns it. */
async function publishProblems(connection: ChannelModel, signal: AbortSignal): Promise<string[]> {
  const channel = await orAbort(connection.createConfirmChannel(), signal)
  try {
    const refused = new Promise<Error>(resolve => channel.on('error', error => resolve(toError(error))))
    channel.publish('', `check-config.${randomUUID()}`, Buffer.alloc(0), { mandatory: true })
    const error = await orAbort(Promise.race([refused, channel.waitForConfirms().catch(() => refused)]), signal)
    if (!(error instanceof Error)) return []
    if (errorCode(error) !== '403') return [`a message cannot be published: ${describeError(error)}`]
    return ['the user may not publish: it lacks the permission "write" on the exchange "amq.default"']
  } finally {
    channel.close().catch(() => undefined) // an error has closed it already
  }
}

async function refusalOf(
  connection: ChannelModel,
  signal: AbortSignal,
  use: Parameters<typeof onChannel<void>>[3],
): Promise<{ readonly code: string; readonly message: string }> {
  try {
    await onChannel(connection, signal, ANSWER_MS, use)
    return { code: '', message: '' }
  } catch (error: unknown) {
    signal.throwIfAborted()
    return { code: errorCode(error), message: describeError(error) }
  }
}

/** What a queue is like, for any user. */
export type QueueLook =
  | { readonly name: string; readonly state: 'there'; readonly messages: number; readonly consumers: number }
  | { readonly name: string; readonly state: 'missing' }
  | { readonly name: string; readonly state: 'unknown'; readonly why: string }

/** On a channel of its own: the answer that there is no such queue closes it. Rejects with `signal.reason`. */
export async function lookAtQueue(connection: ChannelModel, name: string, signal: AbortSignal): Promise<QueueLook> {
  try {
    const { messageCount, consumerCount } = await onChannel(connection, signal, ANSWER_MS, channel =>
      channel.checkQueue(name),
    )
    return { name, state: 'there', messages: messageCount, consumers: consumerCount }
  } catch (error: unknown) {
    signal.throwIfAborted()
    if (errorCode(error) === '404' && /NOT_FOUND - no queue/.test(describeError(error)))
      return { name, state: 'missing' }
    return { name, state: 'unknown', why: describeError(error) }
  }
}
