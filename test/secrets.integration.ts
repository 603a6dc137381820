// Hostile messages to every stage of the built services: nothing secret in them is in any output, log file or CRITs' log.
import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { runCritsService, waitFor } from '@cuckoo-distributed/testing'
import { startScene } from './scene.js'

const SECRET = 's3cR3t'
/** As users write them who do not know what is special in a URL, and as they should. */
const URLS = [
  `http://operator:${SECRET}@cuckoo.invalid:8090`,
  `http://operator:12/${SECRET}@cuckoo.invalid`,
  `http://${SECRET}:12#x@cuckoo.invalid`,
  `http://operator:a@${SECRET}/b@cuckoo.invalid`,
  `http://operator:1?${SECRET}@cuckoo.invalid`,
  `ftp://operator:${SECRET}@cuckoo.invalid`,
  `//operator:${SECRET}@cuckoo.invalid`,
  `http://cuckoo.invalid/?token=${SECRET}`,
  `operator:${SECRET}`,
]
/** What a Go worker reports: net/url and net/http quote the whole address. */
const GO_ERRORS = [
  `Get http://crits.invalid/api/v1/samples/?api_key=${SECRET}&username=alice: dial tcp: no such host`,
  `parse http://operator:${SECRET}@cuckoo.invalid:8090: invalid port`,
  `Post http://operator:a/b#c@d${SECRET}@cuckoo.invalid/tasks/create/file: refused`,
  `json: cannot unmarshal {"api_key":"${SECRET}"} into Go value`,
  `Exception (403) Reason: "amqp://guest:${SECRET}@10.0.0.1:5672 refused"`,
  `header "Authorization: ApiKey alice:${SECRET}"`,
]

test('no secret of a hostile message is shown by any stage', async t => {
  const scene = await startScene(t)
  const { broker, queues, crits, dumpDir } = scene
  const cuckoo = await scene.startCuckoo()
  const logs = await mkdtemp(join(tmpdir(), 'secrets-'))
  t.after(() => rm(logs, { recursive: true }))
  const LogFile = (name: string) => ({ LogFile: join(logs, 'made', `${name}.log`) })
  const services = await scene.startAll({
    feed_cuckoo: { CuckooURL: cuckoo.url, PrefetchCount: 10, ...LogFile('feed') },
    check_results: LogFile('check'),
    parse_and_submit: LogFile('parse'),
    overseer: { RetryDelays: [], ...LogFile('overseer') },
  })
  let count = 0
  const analyses: string[] = []
  const analysis = () => {
    const running = runCritsService(crits, { name: 'a.exe', bytes: Buffer.from(`sample ${count}`) })
    analyses.push(running.analysisId)
    return running
  }
  const send = async (queue: string, body: object | string) => {
    count += 1
    const content = typeof body === 'string' ? body : JSON.stringify(body)
    await broker.publish(queue, content, { persistent: true })
  }
  const submission = (change: object, critsChange: object = {}) => {
    const { critsData, body } = analysis()
    return { ...JSON.parse(body.toString()), crits_data: { ...critsData, ...critsChange }, ...change }
  }
  await send(queues.feed, submission({}, { source: [SECRET] }))
  await send(queues.feed, submission({ file: { name: 'a', data: `TVo=${SECRET} not base64` } }))
  await send(queues.feed, submission({ payload: { options: { password: SECRET } } }))
  await send(queues.feed, `${JSON.stringify(submission({}, { source: SECRET })).slice(0, -2)}, oops`)
  for (const crits_url of URLS) await send(queues.feed, submission({}, { crits_url }))
  for (const queue of [queues.check, queues.parse]) {
    for (const CuckooURL of URLS) await send(queue, { TaskId: 1, CuckooURL, CritsData: analysis().critsData })
    await send(queue, { TaskId: SECRET, CuckooURL: cuckoo.url, CritsData: analysis().critsData })
    for (const crits_url of queue === queues.parse ? URLS : []) {
      await send(queue, { TaskId: 1, CuckooURL: cuckoo.url, CritsData: { ...analysis().critsData, crits_url } })
    }
  }
  for (const text of GO_ERRORS) {
    const Msg = JSON.stringify({ TaskId: 1, CuckooURL: cuckoo.url, CritsData: analysis().critsData })
    await send(queues.failed, { Service: 'feed_cuckoo', Queue: queues.feed, Error: text, Desc: text, Msg })
    await send(queues.failed, { Service: text, Queue: queues.feed, Error: 'no', Desc: '', Msg })
  }
  const dumps = async () => (await readdir(dumpDir)).filter(name => !name.startsWith('.'))
  await waitFor(async () => (await dumps()).length >= count, { describe: `${count} dumps` })
  // CRITs is told after the dump. Of the first message the source alone was wrong.
  const [first = ''] = analyses
  await waitFor(() => crits.analyses.get(first)?.status === 'error', {
    describe: 'the first analysis to end as an error',
  })
  for (const service of services) assert.equal((await service.stop()).code, 0)

  const [apiKey = ''] = crits.users[0]?.keys ?? []
  const critsLog = analyses.flatMap(id => crits.analyses.get(id)?.log ?? []).map(line => JSON.stringify(line))
  const files = await readdir(join(logs, 'made'))
  const logged = await Promise.all(files.map(name => readFile(join(logs, 'made', name), 'utf8')))
  assert.ok(critsLog.length > 0 && files.length === services.length)
  for (const line of [...critsLog, ...logged, ...services.flatMap(service => service.output)]) {
    assert.ok(!line.includes(SECRET), line.slice(0, 2000))
    assert.ok(!line.includes(apiKey), line.slice(0, 2000))
  }
  for (const path of [
    ...files.map(name => join(logs, 'made', name)),
    ...(await dumps()).map(name => join(dumpDir, name)),
  ]) {
    assert.equal((await stat(path)).mode & 0o777, 0o600, path)
  }
})
