// What parse_and_submit holds in memory while reports of 1.2 GB pass through it, one and several at a time.
import { randomUUID } from 'node:crypto'
import {
  type Body,
  bigReport,
  type CritsStandIn,
  type CuckooStandIn,
  runCritsService,
  type ServiceProcess,
  sampleFacts,
  spool,
  startCrits,
  startCuckoo,
  startService,
  TestBroker,
  waitFor,
} from '@cuckoo-distributed/testing'
import { atMost, short, type Table } from '../table.js'

const SAMPLE = Buffer.from('MZ the sample of all these analyses')
const MIB = 1024 ** 2

interface Rig {
  readonly broker: TestBroker
  readonly queue: string
  readonly cuckoo: CuckooStandIn
  readonly crits: CritsStandIn
  readonly service: ServiceProcess
}

export async function reportMemory(amqp: string): Promise<Table> {
  const sample = sampleFacts(SAMPLE)
  await using small = await spool(bigReport({ bytes: 1_000_000, sample }))
  await using large = await spool(bigReport({ bytes: 1_200_000_000, sample }))
  const rows: string[][] = []
  for (const inFlight of [1, 2, 4]) {
    const { idle, peak } = await measure(amqp, inFlight, small, large)
    const allowed = 50 + 25 * (inFlight - 1)
    const more = peak - idle
    rows.push([`${inFlight}`, short(idle), short(peak), `${short(more)} ${atMost(more, allowed)}`])
  }
  return {
    title: 'The service with reports of 1.2 GB in flight',
    text: 'Resident memory of parse_and_submit in MiB: after an analysis with a report of 1 MB, and at most while as many large ones as `CuckooConcurrency` allows are read at once.',
    head: ['in flight', 'idle', 'peak', 'peak above idle'],
    rows,
  }
}

/** Resident memory in MiB before, and at most while `inFlight` analyses with `large` are worked on. */
async function measure(amqp: string, inFlight: number, small: Body, large: Body) {
  let report = small
  await using cuckoo = await startCuckoo({ analysisTime: 0, singleThreaded: false, report: () => report })
  await using crits = await startCrits({ keepLimit: 0 })
  const broker = await TestBroker.connect(amqp)
  const prefix = `bench.${randomUUID()}`
  const queue = `${prefix}.parse`
  const service = await startService('parse_and_submit', {
    config: {
      Amqp: amqp,
      ConsumerQueue: queue,
      FailedQueue: `${prefix}.failed`,
      CritsURL: crits.url,
      EnabledParsers: ['info', 'signatures', 'behavior'],
      CuckooConcurrency: inFlight,
    },
  })
  const rig: Rig = { broker, queue, cuckoo, crits, service }
  try {
    await service.waitForLog('consuming')
    await analyse(rig, 1)
    const { current } = await service.rss()
    report = large
    await service.resetPeak()
    await analyse(rig, inFlight)
    const { peak } = await service.rss()
    return { idle: current / MIB, peak: peak / MIB }
  } finally {
    await service.stop()
    for (const name of ['parse', 'failed', 'failed.lost']) await broker.delete(`${prefix}.${name}`)
    await broker.close()
  }
}

/** Hands `count` analyses to the service and waits until CRITs has them all. */
async function analyse({ broker, queue, cuckoo, crits, service }: Rig, count: number): Promise<void> {
  const running = Array.from({ length: count }, () => runCritsService(crits, { name: 'a.exe', bytes: SAMPLE }))
  for (const { critsData } of running) {
    const form = new FormData()
    form.append('file', new Blob([new Uint8Array(SAMPLE)]), 'a.exe')
    const answer = await fetch(`${cuckoo.url}/tasks/create/file`, { method: 'POST', body: form })
    const { task_id: TaskId }: { task_id: number } = JSON.parse(await answer.text())
    await waitFor(() => cuckoo.tasks.get(TaskId)?.status === 'reported', { describe: 'the task to be reported' })
    await broker.publish(queue, JSON.stringify({ CuckooURL: cuckoo.url, TaskId, CritsData: critsData }))
  }
  await waitFor(() => running.every(({ analysisId }) => crits.analyses.get(analysisId)?.status === 'completed'), {
    deadlineMs: 240_000,
    describe: () => `${count} analyses:\n${service.tail(5)}`,
  })
}
