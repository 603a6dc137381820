// What the log lines of the four built services say: whom each line about a message is about.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type LogLine, waitFor } from '@cuckoo-distributed/testing'
import { startScene } from './scene.js'

/** Of the process, of connections and of servers. */
const ABOUT_NO_MESSAGE = new Set([
  'starting',
  'consuming',
  'connected to the broker',
  'the configuration needs attention',
  'detected the kind of sandbox',
  'CRITs accepts no log lines; continuing without them',
])
const NO_TASK_YET = 'feed_cuckoo'

test('each line about a message names MD5, analysis, task, attempt and instance, until it is dumped; that it is received is an info line', async t => {
  const scene = await startScene(t)
  const cuckoo = await scene.startCuckoo()
  const services = await scene.startAll({ feed_cuckoo: { CuckooURL: cuckoo.url }, overseer: { RetryDelays: [1] } })
  const [feed, , , overseer] = services
  const sample = { name: 'sample.exe', bytes: Buffer.from('MZ\x90 a sample') }
  const { analysisId, md5 } = await scene.emit(sample)
  await feed.waitForLog('submitted to Cuckoo')
  scene.crits.faults.next({
    kind: 'status',
    status: 400,
    match: { path: /services/, method: 'POST' },
    times: Number.POSITIVE_INFINITY,
  })
  await overseer.waitForLog('CRITs could not be told that the analysis was given up')
  await waitFor(async () => (await scene.broker.depth(scene.queues.failed)) === 0, { describe: 'an empty FailedQueue' })

  const about = services.map(({ log }) => log.filter(({ msg }) => !ABOUT_NO_MESSAGE.has(msg)))
  for (const [index, lines] of about.entries()) {
    const { name = '' } = services[index] ?? {}
    const received = lines.filter(({ msg }) => msg === 'received')
    assert.ok(received.length > 0, name)
    for (const { level } of received) assert.equal(level, 'info')
    for (const line of lines) {
      assert.deepEqual([line.analysisId, line.md5, typeof line.instance], [analysisId, md5, 'string'], show(line))
      if (line.msg.startsWith('CRITs could not be told')) continue
      assert.equal(typeof line.attempt, 'number', show(line))
      if (name !== NO_TASK_YET) assert.equal(line.taskId, 1, show(line))
    }
  }
  const [, , parsed = [], overseen = []] = about
  assert.deepEqual([...new Set(parsed.map(({ attempt }) => attempt))], [1, 2])
  const kinds = ['received', 'will be tried again', 'trying again', 'dumped']
  for (const kind of kinds)
    assert.ok(
      overseen.some(({ msg }) => msg === kind),
      kind,
    )
})

function show(line: LogLine): string {
  return JSON.stringify(line)
}
