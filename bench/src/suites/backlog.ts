// feed_cuckoo after a crash of the broker, which then marks every message of the queue as redelivered.
import { randomBytes } from 'node:crypto'
import { startCuckoo, startRabbitMq, startService, TestBroker, waitFor } from '@cuckoo-distributed/testing'
import { atLeast, atMost, short, type Table } from '../table.js'

/** For each prefetch. With one message in hand each needs a look of its own. */
const SAMPLES = { 50: 3000, 1: 600 } as const
const HISTORY = 10_000
const WEEK_MS = 7 * 24 * 3_600_000
const QUEUES = { ConsumerQueue: 'backlog.feed', ProducerQueue: 'backlog.check', FailedQueue: 'backlog.failed' }

async function run(prefetch: keyof typeof SAMPLES): Promise<readonly string[]> {
  const samples = SAMPLES[prefetch]
  await using rabbitMq = await startRabbitMq()
  // Each task is reported at once: all that is submitted stays in the lists of new tasks.
  const nothing = { report: () => null, dropped: () => null }
  await using cuckoo = await startCuckoo({ analysisTime: 0, machines: 1e6, singleThreaded: false, ...nothing })
  await cuckoo.remember(Array.from({ length: HISTORY }, (_, i) => new Date(Date.now() - (i * WEEK_MS) / HISTORY)))
  await fill(rabbitMq.url, samples)
  const config = { Amqp: rabbitMq.url, CuckooURL: cuckoo.url, ...QUEUES, MaxPending: 1e6, PrefetchCount: prefetch }
  const service = await startService('feed_cuckoo', { config })
  try {
    const submitted = (count: number) =>
      waitFor(() => cuckoo.submissions.length >= count && performance.now(), {
        everyMs: 5,
        deadlineMs: 300_000,
        describe: () => `${count} tasks:\n${service.tail()}`,
      })
    const lists = () => cuckoo.journal.filter(({ path }) => path.startsWith('/tasks/list')).length
    const [first, third] = [await submitted(100), await submitted(samples / 3)]
    const before = ((samples / 3 - 100) / (third - first)) * 1000
    await rabbitMq.kill()
    await rabbitMq.start()
    const resumed = cuckoo.submissions.length
    const [again, last] = [await submitted(resumed + 100), await submitted(samples)]
    const after = ((samples - resumed - 100) / (last - again)) * 1000
    const twice = cuckoo.submissions.length - new Set(cuckoo.submissions.map(({ custom }) => custom)).size
    const cells = [before, after, after / before].map(short)
    return [
      `${samples}`,
      `${prefetch}`,
      ...cells,
      atLeast(after / before, 0.5),
      `${lists()}`,
      `${twice}`,
      atMost(twice, 0),
    ]
  } finally {
    await service.kill()
  }
}

async function fill(amqp: string, samples: number): Promise<void> {
  const broker = await TestBroker.connect(amqp)
  for (const queue of Object.values(QUEUES)) await broker.declare(queue)
  for (let index = 0; index < samples; index++) {
    await broker.publish(QUEUES.ConsumerQueue, message(`analysis-${index}`), {
      persistent: true,
      confirm: index % 100 === 99,
    })
  }
  await broker.close()
}

function message(analysisId: string): Buffer {
  const crits = { analysis_id: analysisId, object_type: 'Sample', object_id: '56686f0e1d41c8731f5e8a01' }
  const user = { username: 'alice', api_key: 'f00ba4', md5: '', source: 'Internal' }
  const file = { name: 'a.exe', data: randomBytes(2000).toString('base64') }
  return Buffer.from(JSON.stringify({ payload: {}, file, crits_data: { ...crits, ...user } }))
}

export async function backlog(): Promise<Table[]> {
  return [
    {
      title: 'A backlog of small samples after kill -9 of the broker',
      text: `Samples per second before the crash and after it, with ${HISTORY} tasks of a week in Cuckoo. All messages come again as redelivered, so that the task of each is looked for before its sample is uploaded.`,
      head: ['samples', 'prefetch', 'before /s', 'after /s', 'ratio', 'met', 'lists', 'twice', 'met'],
      rows: [await run(50), await run(1)],
    },
  ]
}
