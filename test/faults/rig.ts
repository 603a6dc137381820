// The whole pipeline as processes, each behind a tap of its own, restarted when it dies as a service manager would.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type CritsStandIn,
  type CuckooStandIn,
  type PrivateRabbitMq,
  pipelineConfigs,
  startCrits,
  startCuckoo,
  startRabbitMq,
} from '@cuckoo-distributed/testing'
import { AmqpTap } from './amqp-tap.js'
import { Supervised } from './supervised.js'

export const SERVICES = ['feed_cuckoo', 'check_results', 'parse_and_submit', 'overseer'] as const
export type ServiceName = (typeof SERVICES)[number]

export const QUEUES = {
  feed: 'feed',
  check: 'check',
  parse: 'parse',
  failed: 'failed',
  events: 'failed.events',
} as const

const OWN_KEYS: Readonly<Record<ServiceName, object>> = {
  feed_cuckoo: { MaxPending: 1000 },
  check_results: { WaitBetweenRequests: 0 },
  parse_and_submit: {},
  overseer: { RetryDelays: [1, 1, 1], DrainTime: 2 },
}

export interface Rig {
  /** The first of `nodes`. */
  readonly node: PrivateRabbitMq
  /** One, or the three of a cluster. */
  readonly nodes: readonly PrivateRabbitMq[]
  readonly cuckoo: CuckooStandIn
  readonly crits: CritsStandIn
  /** How long analyses take that begin from now on, in milliseconds; `Infinity` never ends. A cell may change it. */
  readonly pace: { analysisMs: number }
  readonly dumpDir: string
  readonly services: Readonly<Record<ServiceName, Supervised>>
  readonly taps: Readonly<Record<ServiceName, AmqpTap>>
  /** A second process of a service, behind the same tap; it counts as up when it consumes. */
  twin(name: ServiceName): Promise<Supervised>
  close(): Promise<void>
}

export interface RigOptions {
  /** Quorum queues in place of classic ones, on a cluster of three nodes. */
  readonly quorum?: boolean
  /** Starts the nodes; the services know all of them and reach them without a tap. Default: one node, or three. */
  readonly startNodes?: () => Promise<readonly PrivateRabbitMq[]>
  /** Seconds. Default 20. */
  readonly holdLimit?: number
}

export async function startRig({ quorum = false, startNodes, holdLimit = 20 }: RigOptions = {}): Promise<Rig> {
  const folder = await mkdtemp(join(tmpdir(), 'faults-'))
  const dumpDir = join(folder, 'dumps')
  const nodes = await (startNodes ?? (() => nodesHere(quorum ? 3 : 1)))()
  const [node] = nodes
  if (node === undefined) throw new RangeError('a rig needs a node')
  const pace = { analysisMs: 100 }
  const cuckoo = await startCuckoo({ analysisTime: () => pace.analysisMs, machines: 4 })
  const crits = await startCrits()
  const taps = {
    feed_cuckoo: await AmqpTap.start(node.port),
    check_results: await AmqpTap.start(node.port),
    parse_and_submit: await AmqpTap.start(node.port),
    overseer: await AmqpTap.start(node.port),
  }
  const supervised = (name: ServiceName) => {
    const config = {
      ...serviceConfig(name, { cuckoo, crits, dumpDir }),
      HoldLimit: holdLimit,
      QueueType: quorum ? 'quorum' : 'classic',
    }
    const Amqp = startNodes ? nodes.map(({ url }) => url) : taps[name].through(node.url)
    return new Supervised(name, { Amqp, ...config })
  }
  const services = {
    feed_cuckoo: supervised('feed_cuckoo'),
    check_results: supervised('check_results'),
    parse_and_submit: supervised('parse_and_submit'),
    overseer: supervised('overseer'),
  }
  const close = async () => {
    await Promise.all(SERVICES.map(name => services[name].stop()))
    for (const name of SERVICES) taps[name].close()
    await Promise.all([cuckoo.close(), crits.close()])
    for (const member of nodes.toReversed()) await member.stop()
    await rm(folder, { recursive: true, force: true })
  }
  const twin = async (name: ServiceName) => {
    const second = supervised(name)
    await second.start()
    return second
  }
  const rig = { node, nodes, cuckoo, crits, pace, dumpDir, services, taps, twin, close }
  try {
    await Promise.all(SERVICES.map(name => services[name].start()))
    return rig
  } catch (error: unknown) {
    await close()
    throw error
  }
}

async function nodesHere(count: number): Promise<PrivateRabbitMq[]> {
  const node = await startRabbitMq()
  const nodes = [node]
  while (nodes.length < count) nodes.push(await startRabbitMq({ join: node }))
  return nodes
}

function serviceConfig(name: ServiceName, { cuckoo, crits, dumpDir }: Pick<Rig, 'cuckoo' | 'crits' | 'dumpDir'>) {
  const parts = pipelineConfigs({ queues: QUEUES, cuckooUrl: cuckoo.url, critsUrl: crits.url, dumpDir })
  return { DrainTime: 5, LogLevel: 'debug', ...parts[name], ...OWN_KEYS[name] }
}
