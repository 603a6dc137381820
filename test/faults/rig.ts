// The whole pipeline as processes, each behind a tap of its own, restarted when it dies as a service manager would.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type CritsStandIn,
  type PrivateRabbitMq,
  pipelineConfigs,
  startCrits,
  startRabbitMq,
} from '@cuckoo-distributed/testing'
import { AmqpTap } from './amqp-tap.js'
import { type SandboxKind, type SandboxStandIn, sandboxKeys, startSandbox } from './sandboxes.js'
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
  readonly sandbox: SandboxStandIn
  readonly crits: CritsStandIn
  /**
   * How long analyses take that begin from now on, in milliseconds; `Infinity` never ends. How many requests a CAPE allows within
   * a second; null: no bound. A cell may change both.
   */
  readonly pace: { analysisMs: number; rate: number | null }
  readonly dumpDir: string
  readonly services: Readonly<Record<ServiceName, Supervised>>
  readonly taps: Readonly<Record<ServiceName, AmqpTap>>
  /** A second process of a service, behind the same tap; it counts as up when it consumes. */
  twin(name: ServiceName): Promise<Supervised>
  close(): Promise<void>
}

export interface RigOptions {
  /** Default `cuckoo`. */
  readonly kind?: SandboxKind
  /** Quorum queues in place of classic ones, on a cluster of three nodes. */
  readonly quorum?: boolean
  /** Starts the nodes; the services know all of them and reach them without a tap. Default: one node, or three. */
  readonly startNodes?: () => Promise<readonly PrivateRabbitMq[]>
  /** Seconds. Default 20. */
  readonly holdLimit?: number
}

export async function startRig(options: RigOptions = {}): Promise<Rig> {
  const { kind = 'cuckoo', quorum = false, startNodes, holdLimit = 20 } = options
  const folder = await mkdtemp(join(tmpdir(), 'faults-'))
  const dumpDir = join(folder, 'dumps')
  const nodes = await (startNodes ?? (() => nodesHere(quorum ? 3 : 1)))()
  const [node] = nodes
  if (node === undefined) throw new RangeError('a rig needs a node')
  const pace: Rig['pace'] = { analysisMs: 100, rate: null }
  const sandbox = await startSandbox(kind, { machines: 4, analysisTime: () => pace.analysisMs, rate: () => pace.rate })
  const crits = await startCrits()
  const taps = {
    feed_cuckoo: await AmqpTap.start(node.port),
    check_results: await AmqpTap.start(node.port),
    parse_and_submit: await AmqpTap.start(node.port),
    overseer: await AmqpTap.start(node.port),
  }
  const supervised = (name: ServiceName) => {
    const config = {
      ...serviceConfig(name, { sandbox, crits, dumpDir }),
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
    await Promise.all([sandbox.close(), crits.close()])
    for (const member of nodes.toReversed()) await member.stop()
    await rm(folder, { recursive: true, force: true })
  }
  const twin = async (name: ServiceName) => {
    const second = supervised(name)
    await second.start()
    return second
  }
  const rig = { node, nodes, sandbox, crits, pace, dumpDir, services, taps, twin, close }
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

function serviceConfig(name: ServiceName, { sandbox, crits, dumpDir }: Pick<Rig, 'sandbox' | 'crits' | 'dumpDir'>) {
  const parts = pipelineConfigs({ queues: QUEUES, cuckooUrl: sandbox.url, critsUrl: crits.url, dumpDir })
  const keys = name === 'overseer' ? {} : sandboxKeys(sandbox, 'CuckooTokens')
  return { DrainTime: 5, LogLevel: 'debug', ...parts[name], ...keys, ...OWN_KEYS[name] }
}
