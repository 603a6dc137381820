// Where the brokers are: AMQP URLs are parsed here, once, and shown by one function.
import type { Options } from 'amqplib'
import { ServiceError } from '../errors.js'

/** One broker of a cluster. Holds the password: only `shown` is fit for logs. */
export interface BrokerAddress {
  /** Host and port. */
  readonly shown: string
  readonly options: Options.Connect
}

const HEARTBEAT_SECONDS = 10
const PORTS = { amqp: 5672, amqps: 5671 } as const
const FORM = '"Amqp" must have the form amqp://USER:PASSWORD@HOST:PORT[,HOST:PORT…][/VHOST] or amqps://…'
const ENCODE = '"Amqp": percent-encode user, password and vhost (@ is %40, / is %2F, # is %23, ? is %3F, % is %25)'
const URL_PARTS =
  /^(?<protocol>amqps?):\/\/(?:(?<user>[^@/?#:]*)(?::(?<password>[^@/?#]*))?@)?(?<hosts>[^@/?#]+)(?:\/(?<vhost>[^@?#]*))?(?:\?(?<query>[^@#]*))?$/
const HOST = /^(?<host>\[[\da-fA-F:.]+\]|[\w.-]+)(?::(?<port>\d{1,5}))?$/

/**
 * The brokers that `Amqp` names, in their order: a URL whose hosts may be several with commas between, or a list of such
 * URLs. Without user and password they are `guest`, without a path the vhost is `/`; `heartbeat` (10 s), `frameMax` and
 * `channelMax` may be parameters. Throws ServiceError (BROKER_ADDRESS), which shows nothing of it.
 */
export function parseBrokers(amqp: string | readonly string[]): BrokerAddress[] {
  return [amqp].flat().flatMap(url => parseUrl(url.trim()))
}

/** The user that a service is to the broker, for another API of it. Holds the password. Throws BrokerAddressError. */
export function brokerAccount(amqp: string | readonly string[]) {
  const { username = 'guest', password = 'guest', vhost = '/' } = parseBrokers(amqp)[0]?.options ?? {}
  return { username, password, vhost: decodeURIComponent(vhost) }
}

/** For logs: hosts and ports. */
export function showBrokers(brokers: readonly BrokerAddress[]): string {
  return brokers.map(broker => broker.shown).join(', ')
}

function parseUrl(url: string): BrokerAddress[] {
  const { protocol, user, password = '', hosts = '', vhost, query } = URL_PARTS.exec(url)?.groups ?? {}
  if (protocol !== 'amqp' && protocol !== 'amqps') {
    // Where the password ends cannot be told, so what stands behind it may be a part of it.
    throw unusable(/^amqps?:\/\/.*[@#]/.test(url) ? ENCODE : FORM)
  }
  const account = user === undefined ? {} : { username: decoded(user), password: decoded(password) }
  decoded(vhost ?? '')
  const parameters = new URLSearchParams(query)
  const number = (name: string, otherwise: number) => numberIn(parameters, name) ?? otherwise
  return hosts.split(',').map(part => {
    const { host, port } = HOST.exec(part)?.groups ?? {}
    if (host === undefined || Number(port ?? 1) < 1 || Number(port ?? 1) > 65_535) throw unusable(FORM)
    const hostPort = port === undefined ? PORTS[protocol] : Number(port)
    return {
      shown: `${host}:${hostPort}`,
      options: {
        protocol,
        hostname: host.replace(/^\[|\]$/g, ''),
        port: hostPort,
        ...account,
        // amqplib decodes this one itself.
        ...(vhost && { vhost }),
        heartbeat: number('heartbeat', HEARTBEAT_SECONDS),
        frameMax: number('frameMax', 128 * 1024),
        channelMax: number('channelMax', 0),
      },
    }
  })
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw unusable(ENCODE)
  }
}

function numberIn(parameters: URLSearchParams, name: string): number | undefined {
  const value = parameters.get(name)
  if (value === null) return undefined
  if (!/^\d{1,9}$/.test(value)) throw unusable(`"Amqp": the parameter ${name} must be a number`)
  return Number(value)
}

function unusable(problem: string): ServiceError {
  return new ServiceError('BROKER_ADDRESS', problem)
}
