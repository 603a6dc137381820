// An archive of 1 GB on its way through parse_and_submit.
import { randomUUID } from 'node:crypto'
import {
  bigArchive,
  type CritsStandIn,
  type CuckooStandIn,
  runCritsService,
  spool,
  startCrits,
  startCuckoo,
  TestBroker,
  waitFor,
} from '@cuckoo-distributed/testing'
import { measured } from '../services.js'
import { atMost, short, type Table } from '../table.js'

const FILES = 2000
const BYTES_EACH = 500_000
const SAMPLE = { name: 'large.exe', bytes: Buffer.from('MZ the sample of a large analysis') }

export async function largeArchive(amqp: string): Promise<Table> {
  await using small = await spool(bigArchive({ files: 3, bytesEach: 100_000, compression: 'none' }))
  await using large = await spool(bigArchive({ files: FILES, bytesEach: BYTES_EACH, compression: 'none' }))
  let archive = small
  await using cuckoo = await startCuckoo({ analysisTime: 0, dropped: () => archive })
  await using crits = await startCrits({ keepLimit: 0 })
  const broker = await TestBroker.connect(amqp)
  const prefix = `bench.${randomUUID()}`
  const [queue, failed] = [`${prefix}.parse`, `${prefix}.failed`]
  const { service, end } = await measured('parse_and_submit', {
    ...{ Amqp: amqp, ConsumerQueue: queue, FailedQueue: failed, CritsURL: crits.url },
    EnabledParsers: ['dropped'],
  })
  const pass = async () => {
    const { analysisId, message } = await analysed(cuckoo, crits)
    await broker.publish(queue, message)
    await waitFor(() => crits.analyses.get(analysisId)?.status === 'completed', {
      deadlineMs: 300_000,
      describe: () => `the archive to be in CRITs:\n${service.tail(5)}`,
    })
  }
  await pass()
  const { current: idle } = await service.rss()
  await service.resetPeak()
  archive = large
  const start = performance.now()
  await pass()
  const seconds = (performance.now() - start) / 1000
  const { cpu, p99, peak } = await end()
  for (const name of [queue, failed]) await broker.delete(name)
  await broker.close()
  const grown = peak - idle / 1024 ** 2
  return {
    title: `A tar of ${FILES} files of 500 kB through parse_and_submit`,
    text: 'Downloaded, unpacked, and every file uploaded and related: two calls of CRITs for each. Idle is after a small archive. CPU is that of the whole life of the process.',
    head: ['seconds', 'CPU ms per file', 'event-loop delay p99', 'idle MiB', 'peak above idle'],
    rows: [
      [
        ...[seconds, (cpu * 1000) / FILES].map(short),
        `${short(p99)} ms ${atMost(p99, 20)}`,
        short(idle / 1024 ** 2),
        `+${short(grown)} MiB ${atMost(grown, 50)}`,
      ],
    ],
  }
}

/** A task in Cuckoo that is reported, the analysis in CRITs, and the message that check_results would send. */
async function analysed(cuckoo: CuckooStandIn, crits: CritsStandIn) {
  const { analysisId, critsData } = runCritsService(crits, SAMPLE)
  const form = new FormData()
  form.append('file', new Blob([SAMPLE.bytes]), SAMPLE.name)
  const response = await fetch(`${cuckoo.url}/tasks/create/file`, { method: 'POST', body: form })
  const { task_id: taskId }: { task_id: number } = JSON.parse(await response.text())
  await waitFor(() => cuckoo.tasks.get(taskId)?.status === 'reported', { describe: 'the task to be reported' })
  return { analysisId, message: JSON.stringify({ CuckooURL: cuckoo.url, TaskId: taskId, CritsData: critsData }) }
}
