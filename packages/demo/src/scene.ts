// Everything the demo runs: a broker, the four services, and stand-ins for the servers that were not named.
import { randomBytes } from 'node:crypto'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type CritsStandIn,
  type CuckooStandIn,
  type PrivateRabbitMq,
  ProcessGuard,
  startCape,
  startCrits,
  startCuckoo,
  startRabbitMq,
  TestBroker,
} from '@cuckoo-distributed/testing'
import type { DemoArguments } from './arguments.js'
import type { Screen } from './screen.js'
import { allQueues, type DemoQueues, Services, type ServicesOptions } from './services.js'

/** How long an analysis takes in the stand-in, and how many run at a time. */
const STAND_IN = { analysisTime: 1500, machines: 2 } as const
/** What is off as CAPE is shipped, and makes the demo the same as with a Cuckoo. */
const CAPE = { ...STAND_IN, on: ['cuckoostatus', 'taskdelete'] } as const

/** What every part of the demo has at hand. */
export interface Stage {
  readonly screen: Screen
  /** The screen's. */
  readonly print: (line: string) => void
  /** Aborted by a signal to the process and by the deadline. */
  readonly signal: AbortSignal
}

export interface Scene extends AsyncDisposable, Stage {
  readonly broker: TestBroker
  /** Undefined with the broker of RABBITMQ_URL. */
  readonly node: PrivateRabbitMq | undefined
  readonly services: Services
  readonly options: ServicesOptions
  /** Undefined when a real one is used, or a CAPE. */
  readonly cuckoo: CuckooStandIn | undefined
  /** Undefined when a real one is used. */
  readonly crits: CritsStandIn | undefined
}

/** Ends what has been opened, last first; an error of one does not keep the others. */
class Closers implements AsyncDisposable {
  readonly #closers: (() => Promise<unknown>)[] = []

  add(close: () => Promise<unknown>): void {
    this.#closers.push(close)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const errors: unknown[] = []
    for (const close of this.#closers.splice(0).reverse()) {
      await close().catch((error: unknown) => errors.push(error))
    }
    if (errors.length > 0) throw new AggregateError(errors, 'not everything could be ended')
  }
}

/** Starts everything and says what it is. Throws `signal.reason` when that is aborted meanwhile. */
export async function openScene(args: DemoArguments, stage: Stage): Promise<Scene> {
  const closers = new Closers()
  try {
    return await openParts(args, stage, closers)
  } catch (error: unknown) {
    await closers[Symbol.asyncDispose]()
    throw error
  }
}

async function openParts(args: DemoArguments, stage: Stage, closers: Closers): Promise<Scene> {
  const { print, signal } = stage
  const { broker, node } = await openBroker(stage, closers)
  signal.throwIfAborted()
  const queues = demoQueues()
  // A private node goes with all that is in it.
  if (node === undefined) {
    closers.add(async () => {
      for (const queue of allQueues(queues)) await broker.delete(queue)
    })
  }
  const servers = await openServers(args, print, closers)
  const options = {
    amqp: broker.url,
    queues,
    cuckooUrl: servers.cuckooUrl,
    cleanup: args.cuckooUrl === undefined,
    cape: args.cape,
    critsUrl: servers.critsUrl,
    dumpDir: await temporaryFolder(closers),
    retryDelays: args.fail ? [1, 1, 1] : undefined,
  }
  signal.throwIfAborted()
  const services = new Services(options)
  closers.add(() => services.stop())
  await services.start()
  print(`services  ${services.list.map(({ name, pid }) => `${name} (pid ${pid})`).join(', ')}`)
  return {
    ...stage,
    broker,
    node,
    services,
    options,
    cuckoo: servers.cuckoo,
    crits: servers.crits,
    [Symbol.asyncDispose]: () => closers[Symbol.asyncDispose](),
  }
}

/** Those that were named, and stand-ins for the others. */
async function openServers(args: DemoArguments, print: Stage['print'], closers: Closers) {
  const crits = args.crits === undefined ? await startCrits() : undefined
  if (crits !== undefined) closers.add(() => crits.close())
  const cuckoo = args.cuckooUrl === undefined && !args.cape ? await startCuckoo(STAND_IN) : undefined
  if (cuckoo !== undefined) closers.add(() => cuckoo.close())
  const cape = args.cape ? await startCape(CAPE) : undefined
  if (cape !== undefined) closers.add(() => cape.close())
  const critsUrl = args.crits?.url ?? crits?.url ?? ''
  const cuckooUrl = args.cuckooUrl ?? cuckoo?.url ?? cape?.url ?? ''
  const about = {
    cuckoo: cuckoo || cape ? '  (stand-in: runs nothing, reports on the bytes of the file)' : '',
    crits: crits ? '  (stand-in: the API of CRITs, in memory)' : '',
  }
  print(`${cape ? 'CAPE  ' : 'Cuckoo'}    ${new URL(cuckooUrl).origin}${about.cuckoo}`)
  print(`CRITs     ${new URL(critsUrl).origin}${about.crits}`)
  return { crits, cuckoo, critsUrl, cuckooUrl }
}

async function openBroker({ print }: Stage, closers: Closers) {
  const given = process.env.RABBITMQ_URL
  if (given) print('RabbitMQ  the one of RABBITMQ_URL')
  const node = given ? undefined : await startRabbitMq()
  if (node !== undefined) {
    closers.add(() => node.stop())
    print(`RabbitMQ  a private node at ${new URL(node.url).host}`)
  }
  const broker = await TestBroker.connect(given || (node?.url ?? ''))
  closers.add(() => broker.close())
  return { broker, node }
}

/** Names that no other user of the broker has. */
function demoQueues(): DemoQueues {
  const prefix = `demo-${randomBytes(4).toString('hex')}`
  return {
    feed: `${prefix}/feed_cuckoo`,
    check: `${prefix}/check_results`,
    parse: `${prefix}/parse_and_submit`,
    failed: `${prefix}/failed`,
  }
}

/** Removed at the end, in whatever way this process ends. */
async function temporaryFolder(closers: Closers): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'demo-dumps-'))
  const guard = new ProcessGuard(folder)
  closers.add(() => guard.release())
  return folder
}
