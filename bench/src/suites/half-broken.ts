// parse_and_submit: analyses of healthy servers behind a queue of those whose server is away.
import { randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import {
  type CritsStandIn,
  type CuckooStandIn,
  runCritsService,
  startCrits,
  startCuckoo,
  startService,
  TestBroker,
  waitFor,
} from '@cuckoo-distributed/testing'
import type { Bench } from '../bench.js'
import { median } from '../statistics.js'
import { atMost, short, type Table } from '../table.js'

const ROUNDS = 3
const HEALTHY = 20
const BROKEN = 200
const DEADLINE_MS = 120_000

/** A server that is no use: its URL, and how it ends. */
interface Broken extends AsyncDisposable {
  readonly url: string
}

/** `isSilent`: it accepts connections and never answers; else nobody listens. */
async function noServer(isSilent: boolean): Promise<Broken> {
  const sockets = new Set<{ destroy(): void }>()
  const server = createServer(socket => {
    sockets.add(socket.on('error', () => undefined))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  if (!isSilent) server.close()
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

async function failing<T extends CuckooStandIn | CritsStandIn>(
  server: T,
  match: { path?: RegExp; method?: string },
): Promise<T> {
  const fault = { kind: 'status', status: 500, times: Number.POSITIVE_INFINITY, match } as const
  server.faults.next(fault)
  return server
}

const KINDS: readonly (readonly [title: string, kind: 'cuckoo' | 'crits', start: () => Promise<Broken>])[] = [
  ['Cuckoo, nobody listens', 'cuckoo', () => noServer(false)],
  ['Cuckoo, never answers', 'cuckoo', () => noServer(true)],
  ['Cuckoo, 500 but for its status', 'cuckoo', async () => failing(await startCuckoo(), { path: /^\/tasks/ })],
  ['CRITs, nobody listens', 'crits', () => noServer(false)],
  ['CRITs, never answers', 'crits', () => noServer(true)],
  ['CRITs, 500 but for its probe', 'crits', async () => failing(await startCrits(), { method: 'POST' })],
]

interface Scene {
  readonly amqp: string
  readonly cuckoo: CuckooStandIn
  readonly crits: CritsStandIn
}

/** Milliseconds from the first delivery until all healthy analyses are complete. */
async function timeOf({ amqp, cuckoo, crits }: Scene, broken?: { kind: 'cuckoo' | 'crits'; url: string }) {
  const prefix = `bench.${randomUUID()}`
  const [work, failed] = [`${prefix}.work`, `${prefix}.failed`]
  const broker = await TestBroker.connect(amqp)
  for (const queue of [work, failed]) await broker.declare(queue)
  const message = (cuckooUrl: string, taskId: number, change: object = {}) => {
    const { critsData, analysisId } = runCritsService(crits, { name: 'a.exe', bytes: randomBytes(100) })
    const { md5: _unknown, ...data } = { ...critsData, ...change, md5: '' }
    return { analysisId, body: Buffer.from(JSON.stringify({ CuckooURL: cuckooUrl, TaskId: taskId, CritsData: data })) }
  }
  for (let index = 0; broken && index < BROKEN; index += 1) {
    const isCuckoo = broken.kind === 'cuckoo'
    const change = isCuckoo ? {} : { crits_url: broken.url }
    await broker.publish(work, message(isCuckoo ? broken.url : cuckoo.url, 1 + (index % HEALTHY), change).body, {
      persistent: true,
      confirm: true,
    })
  }
  const healthy = [...cuckoo.tasks.keys()].slice(0, HEALTHY).map(taskId => message(cuckoo.url, taskId))
  for (const { body } of healthy) await broker.publish(work, body, { persistent: true, confirm: true })
  const config = { Amqp: amqp, ConsumerQueue: work, FailedQueue: failed, CritsURL: crits.url, LogLevel: 'warning' }
  const service = await startService('parse_and_submit', { config })
  try {
    await waitFor(async () => (await broker.depth(work)) !== HEALTHY + (broken ? BROKEN : 0), {
      everyMs: 2,
      describe: 'the first delivery',
      deadlineMs: 30_000,
    })
    const begun = performance.now()
    const isComplete = ({ analysisId }: { analysisId: string }) =>
      crits.analyses.get(analysisId)?.status === 'completed'
    await waitFor(() => healthy.every(isComplete), {
      everyMs: 5,
      deadlineMs: DEADLINE_MS,
      describe: () => `healthy analyses to end:\n${service.tail()}`,
    })
    return performance.now() - begun
  } finally {
    await service.kill()
    for (const queue of [work, failed]) await broker.delete(queue)
    await broker.close()
  }
}

export async function halfBroken({ amqp }: Bench): Promise<Table[]> {
  await using cuckoo = await startCuckoo({ analysisTime: 1, machines: HEALTHY, singleThreaded: false })
  await using crits = await startCrits()
  for (let index = 0; index < HEALTHY; index += 1) {
    const form = new FormData()
    form.append('file', new Blob([randomBytes(1000)]), `${index}.exe`)
    await fetch(`${cuckoo.url}/tasks/create/file`, { method: 'POST', body: form })
  }
  const isReported = () => [...cuckoo.tasks.values()].filter(({ status }) => status === 'reported').length === HEALTHY
  await waitFor(isReported, { describe: 'the reports', deadlineMs: 60_000 })
  const scene = { amqp, cuckoo, crits }
  const rows: string[][] = []
  for (const [title, kind, start] of KINDS) {
    const [alone, behind]: [number[], number[]] = [[], []]
    for (let round = 0; round < ROUNDS; round += 1) {
      alone.push(await timeOf(scene))
      await using broken = await start()
      behind.push(await timeOf(scene, { kind, url: broken.url }))
    }
    const [own, base] = [median(behind), median(alone)]
    rows.push([title, short(base / 1000), short(own / 1000), short(own / base), atMost(own / base, 1.5, ' ×')])
  }
  return [
    {
      title: `${HEALTHY} healthy analyses behind ${BROKEN} of a server that is no use`,
      text: 'parse_and_submit with its default configuration, from the first delivery to the last healthy analysis. Baseline: the healthy ones alone.',
      head: ['server', 'alone, s', 'behind, s', 'ratio', 'met'],
      rows,
    },
  ]
}
