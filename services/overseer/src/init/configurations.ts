// From answers to configurations that fit together, and to the user that RabbitMQ must have for them.
import { randomBytes } from 'node:crypto'
import { join, resolve } from 'node:path'
import { brokerAccount } from '@cuckoo-distributed/core'
import { displayUrl, parseBaseUrl } from '@cuckoo-distributed/http'
import { type Answers, CLUSTER_PORT } from './questions.js'

const QUEUES = {
  feed: 'worker/feed_cuckoo',
  check: 'worker/check_results',
  parse: 'worker/parse_and_submit',
  failed: 'worker/failed',
} as const

/** The URL with a user and a password, each as it is there or a new one; the password is one that needs no encoding. */
export function withAccount(broker: string): { readonly amqp: string; readonly madePassword?: string } {
  const {
    scheme = '',
    user,
    password,
    rest = '',
  } = /^(?<scheme>amqps?:\/\/)(?:(?<user>[^@/?#:]*)(?::(?<password>[^@/?#]*))?@)?(?<rest>.*)$/.exec(broker.trim())
    ?.groups ?? {}
  if (user && password) return { amqp: broker.trim() }
  const madePassword = secret()
  return { amqp: `${scheme}${user || 'cuckoo_distributed'}:${madePassword}@${rest}`, madePassword }
}

/** What each service is to read, by its name. `amqp` has user and password. */
export function configurations(amqp: string, answers: Answers): Readonly<Record<string, object>> {
  const cluster = answers('cluster-dir')
  const token = answers('cuckoo-token') || (cluster === '' ? '' : secret())
  const cuckoo = displayUrl(parseBaseUrl(answers('cuckoo')))
  const broker = { Amqp: amqp, ...(answers('queue-type') === 'quorum' && { QueueType: 'quorum' }) }
  const crits = { CritsURL: answers('crits'), AllowedCritsURLs: [answers('crits')] }
  const tokens = token === '' ? {} : { CuckooTokens: { [cuckoo]: token } }
  const sandbox = { AllowedCuckooURLs: [cuckoo], ...tokens }
  const tmp = answers('tmp-dir') === '' ? {} : { TmpDir: resolve(answers('tmp-dir')) }
  const stage = (ConsumerQueue: string, ProducerQueue: string) => {
    return { ...broker, ConsumerQueue, ProducerQueue, FailedQueue: QUEUES.failed }
  }
  return {
    feed_cuckoo: { ...stage(QUEUES.feed, QUEUES.check), CuckooURL: answers('cuckoo'), ...tokens, ...crits, ...tmp },
    check_results: { ...stage(QUEUES.check, QUEUES.parse), ...sandbox },
    parse_and_submit: { ...stage(QUEUES.parse, ''), ...sandbox, ...crits, ...tmp },
    overseer: { ...broker, ConsumerQueue: QUEUES.failed, DumpDir: resolve(answers('dump-dir')), ...crits },
    ...(cluster !== '' && { distributed_cuckoo: clusterConfiguration(resolve(cluster), token) }),
  }
}

function clusterConfiguration(dir: string, token: string): object {
  return {
    Port: CLUSTER_PORT,
    Database: `sqlite:///${join(dir, 'dist.db')}`,
    SamplesDirectory: join(dir, 'samples'),
    ReportsDirectory: join(dir, 'reports'),
    ReportFormats: ['json'],
    ApiToken: token,
  }
}

/** Lines for a shell on the machine of RabbitMQ: the user with what the pipeline needs, and no more. */
export function brokerLines(amqp: string, madePassword: string | undefined): string[] {
  const { username, vhost } = brokerAccount(amqp)
  const user = quoted(username)
  return [
    ...(vhost === '/' ? [] : [`rabbitmqctl add_vhost ${quoted(vhost)}`]),
    // Not as an argument: those of a process are seen by all users.
    ...(madePassword === undefined ? [] : [`printf %s ${quoted(madePassword)} | rabbitmqctl add_user ${user}`]),
    `rabbitmqctl set_permissions -p ${quoted(vhost)} ${user} '^worker/' '^(worker/|amq\\.default$)' '^worker/'`,
  ]
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

function secret(): string {
  return randomBytes(24).toString('base64url')
}
