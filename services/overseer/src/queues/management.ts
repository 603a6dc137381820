// RabbitMQ's management API, for what AMQP does not tell (`rabbitmq/rabbitmq-server:deps/rabbitmq_management/priv/www/api/index.html`).
import { brokerAccount, describeError, type Look } from '@cuckoo-distributed/core'
import { displayUrl, HttpClient, parseBaseUrl, StatusError } from '@cuckoo-distributed/http'
import type { OverseerConfig } from '../config.js'

/** Undefined where nobody tells. */
export interface Counters {
  /** Messages in the hands of consumers. */
  readonly unacked: number | undefined
  /** Messages a second, as the broker counts them. */
  readonly inPerSecond: number | undefined
  readonly outPerSecond: number | undefined
}

export const NO_COUNTERS: Counters = { unacked: undefined, inPerSecond: undefined, outPerSecond: undefined }

const ANSWER_BYTES = 1024 * 1024
const ANSWER_MS = 10_000

export class ManagementApi implements AsyncDisposable {
  readonly #http: HttpClient
  readonly #vhost: string
  #problem: string | undefined

  /** With the user of `Amqp`, unless the URL has one. */
  constructor({
    ManagementURL,
    Amqp,
    VerifySSL: verifySsl,
  }: Pick<OverseerConfig, 'ManagementURL' | 'Amqp' | 'VerifySSL'>) {
    const { username, password, vhost } = brokerAccount(Amqp)
    const baseUrl = parseBaseUrl(ManagementURL)
    if (baseUrl.username === '' && baseUrl.password === '') {
      baseUrl.username = encodeURIComponent(username)
      baseUrl.password = encodeURIComponent(password)
    }
    this.#vhost = vhost
    this.#http = new HttpClient({ baseUrl, verifySsl, maxConnections: 2, headersTimeoutMs: ANSWER_MS })
  }

  /** Why there were no counters, if there were none for another reason than that there is no such queue. */
  get problem(): string | undefined {
    return this.#problem
  }

  /** Rejects with `signal.reason` only. */
  async countersOf(queue: string, signal: AbortSignal): Promise<Counters> {
    const path = `/api/queues/${encodeURIComponent(this.#vhost)}/${encodeURIComponent(queue)}`
    try {
      const response = await this.#http.request({ method: 'GET', path, signal })
      const { messages_unacknowledged: unacked, message_stats: stats } = record(await response.json(ANSWER_BYTES))
      const rate = (name: string) => count(record(record(stats)[`${name}_details`]).rate)
      return { unacked: count(unacked), inPerSecond: rate('publish'), outPerSecond: rate('deliver_get') }
    } catch (error: unknown) {
      signal.throwIfAborted()
      if (!(error instanceof StatusError && error.status === 404)) this.#problem ??= describeError(error)
      return NO_COUNTERS
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http[Symbol.asyncDispose]()
  }
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

function count(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined
}

/** For `--connect`. */
export function managementLooks(config: OverseerConfig): Look[] {
  if (config.ManagementURL === '') return []
  return [
    {
      what: `management API ${displayUrl(parseBaseUrl(config.ManagementURL))}`,
      async problems(signal) {
        await using management = new ManagementApi(config)
        await management.countersOf(config.ConsumerQueue, signal)
        return management.problem === undefined ? [] : [management.problem]
      },
    },
  ]
}
