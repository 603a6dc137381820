// What Prometheus and whoever starts the processes see of a pipeline at work: built services, a real broker, their ports.
import assert from 'node:assert/strict'
import { mkdtemp, rename, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type ServiceProcess, spawnService, waitFor } from '@cuckoo-distributed/testing'
import { read, sectionOf, tableIn } from './project.js'
import { startScene } from './scene.js'

const LISTEN = { MetricsListen: '127.0.0.1:0' }
const SERVICES = ['feed_cuckoo', 'check_results', 'parse_and_submit', 'overseer'] as const
const times = Number.POSITIVE_INFINITY

interface Answer {
  readonly status: number | undefined
  readonly text: string
}

async function ask(service: ServiceProcess, path: string, host = '127.0.0.1', method = 'GET'): Promise<Answer> {
  const { address } = await service.waitForLog('metrics and health are served')
  assert.ok(typeof address === 'object' && address !== null && 'port' in address)
  const { port } = address
  return await new Promise((resolve, reject) => {
    const asking = request({ host: '127.0.0.1', port: Number(port), path, method, headers: { host } }, response => {
      const chunks: Buffer[] = []
      response.on('data', chunk => chunks.push(chunk))
      response.on('end', () =>
        resolve({ status: response.statusCode, text: Buffer.concat(chunks).toString('utf8').trimEnd() }),
      )
    })
    asking.on('error', reject)
    asking.end()
  })
}

/** By name with labels, as they stand in the text. */
async function samplesOf(service: ServiceProcess): Promise<ReadonlyMap<string, number>> {
  const { text } = await ask(service, '/metrics')
  const lines = text.split('\n').filter(line => line !== '' && !line.startsWith('#'))
  return new Map(lines.map(line => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]))
}

async function untilReads(service: ServiceProcess, sample: string, value: number): Promise<void> {
  let last: ReadonlyMap<string, number> | undefined
  await waitFor(
    async () => {
      last = await samplesOf(service)
      return last.get(`cuckoo_distributed_${sample}`) === value
    },
    { describe: () => `${sample} to be ${value} of ${JSON.stringify([...(last ?? [])], null, 1)}` },
  )
}

async function startCluster(t: TestContext): Promise<{ readonly process: ServiceProcess; readonly url: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'metrics-cluster-'))
  t.after(() => rm(folder, { recursive: true, maxRetries: 10 }))
  const config = {
    ...{ Port: 0, Database: `sqlite:///${join(folder, 'dist.db')}`, ReportFormats: ['json'], Interval: 0.2 },
    ...{ SamplesDirectory: join(folder, 'samples'), ReportsDirectory: join(folder, 'reports'), ...LISTEN },
  }
  const process = await spawnService(t, 'distributed_cuckoo', { config })
  const { port } = await process.waitForLog('listening')
  return { process, url: `http://127.0.0.1:${port}` }
}

/** The names that the services give, those of processes left out. */
async function namesOf(services: readonly ServiceProcess[]): Promise<string[]> {
  const texts = await Promise.all(services.map(service => ask(service, '/metrics')))
  const names = texts.flatMap(({ text }) => [...text.matchAll(/^# TYPE (cuckoo_distributed_\w+)/gm)])
  return [...new Set(names.map(([, name = '']) => name))].sort()
}

test('a sample that arrives, one that is dumped and one that waits are seen, and the documentation lists what there is', async t => {
  const scene = await startScene(t)
  const cuckoo = await scene.startCuckoo()
  const feed = await scene.start('feed_cuckoo', { ...LISTEN, CuckooURL: cuckoo.url })
  const check = await scene.start('check_results', LISTEN)
  const parse = await scene.start('parse_and_submit', LISTEN)
  const overseer = await scene.start('overseer', { ...LISTEN, RetryDelays: [] })
  const { feed: feedQueue, check: checkQueue, parse: parseQueue, failed } = scene.queues
  const first = await scene.emit({ name: 'first.exe', bytes: Buffer.from('MZ\x90 first') })
  await scene.allAre('completed', [first])
  await untilReads(feed, `deliveries_total{queue="${feedQueue}",outcome="submitted"}`, 1)
  await untilReads(feed, `deliveries_in_hand{queue="${feedQueue}"}`, 0)
  await untilReads(feed, `delivery_seconds_count{queue="${feedQueue}"}`, 1)
  await untilReads(feed, 'confirm_seconds_count', 1)
  await untilReads(feed, `sandbox_pending_tasks{sandbox="${cuckoo.url}"}`, 0)
  await untilReads(check, `deliveries_total{queue="${checkQueue}",outcome="reported"}`, 1)
  await untilReads(parse, `deliveries_total{queue="${parseQueue}",outcome="complete"}`, 1)
  await untilReads(overseer, 'open_samples', 0)
  await untilReads(overseer, 'dumps', 0)
  const calls = [...(await samplesOf(parse))].filter(([name]) => name.includes('http_calls_total'))
  assert.ok(calls.some(([name, n]) => name.includes(`target="${new URL(cuckoo.url).host}",class="2xx"`) && n > 0))
  assert.ok(calls.some(([name, n]) => name.includes(`target="${new URL(scene.crits.url).host}",class="2xx"`) && n > 0))

  cuckoo.faults.next({ kind: 'status', status: 413, match: { method: 'POST', path: '/tasks/create/file' }, times: 1 })
  await scene.emit({ name: 'second.exe', bytes: Buffer.from('MZ\x90 second') })
  await untilReads(feed, `deliveries_total{queue="${feedQueue}",outcome="failed"}`, 1)
  await untilReads(overseer, `deliveries_total{queue="${failed}",outcome="dumped"}`, 1)
  await untilReads(overseer, 'dumps', 1)
  const dumpedAt = (await samplesOf(overseer)).get('cuckoo_distributed_oldest_dump_timestamp_seconds')
  assert.ok(dumpedAt !== undefined && Math.abs(Date.now() / 1000 - dumpedAt) < 600)

  // A refused key is a cause that all messages share.
  scene.crits.faults.next({ kind: 'status', status: 401, times })
  await scene.emit({ name: 'third.exe', bytes: Buffer.from('MZ\x90 third') })
  await untilReads(overseer, 'shared_cause_waiting_samples{code="CRITS_AUTH"}', 1)
  await untilReads(overseer, 'open_samples', 1)

  const cluster = await startCluster(t)
  const body = new URLSearchParams({ name: 'node', url: cuckoo.url })
  assert.equal((await fetch(`${cluster.url}/node`, { method: 'POST', body })).status, 200)
  await untilReads(cluster.process, 'nodes{state="up"}', 1)
  await untilReads(cluster.process, 'nodes{state="quarantined"}', 0)
  await untilReads(cluster.process, 'tasks{state="pending"}', 0)

  const services = [feed, check, parse, overseer, cluster.process]
  for (const service of services) {
    assert.deepEqual(await ask(service, '/livez'), { status: 200, text: 'ok' })
    assert.deepEqual(await ask(service, '/readyz'), { status: 200, text: 'ok' })
    const { text } = await ask(service, '/metrics')
    assert.doesNotMatch(text, new RegExp(`${first.md5}|${first.analysisId}`))
  }
  const listed = tableIn(sectionOf(read('docs/operations.md'), '### What is measured')).map(([name]) => name)
  assert.deepEqual(
    listed.sort(),
    (await namesOf(services)).map(name => `\`${name}\``),
  )
})

test('a process that has no broker lives and is not ready', async t => {
  const scene = await startScene(t)
  // Nothing listens on the port of the discard service.
  for (const name of SERVICES) {
    const cuckoo = name === 'feed_cuckoo' ? { CuckooURL: 'http://127.0.0.1:9' } : {}
    const config = { ...scene.configs[name], ...cuckoo, Amqp: 'amqp://u:p@127.0.0.1:9', ...LISTEN }
    const service = await spawnService(t, name, { config })
    assert.deepEqual(await ask(service, '/livez'), { status: 200, text: 'ok' })
    const ready = await ask(service, '/readyz')
    assert.equal(ready.status, 503)
    assert.match(ready.text, /no connection to the broker for consuming\nno connection to the broker for publishing/)
  }
})

test('a directory that cannot be written to makes a process unready until it can, and strangers get no answer', async t => {
  const scene = await startScene(t)
  const overseer = await scene.start('overseer', { ...LISTEN, MetricsHosts: ['overseer.lan'] })
  assert.equal((await ask(overseer, '/readyz')).status, 200)
  await rename(scene.dumpDir, `${scene.dumpDir}.away`)
  const { status, text } = await ask(overseer, '/readyz')
  await rename(`${scene.dumpDir}.away`, scene.dumpDir)
  assert.equal(status, 503)
  assert.match(text, /"DumpDir": .* cannot be written to/)
  assert.equal((await ask(overseer, '/readyz')).status, 200)

  assert.equal((await ask(overseer, '/metrics', 'evil.example')).status, 403)
  assert.equal((await ask(overseer, '/livez', 'evil.example:80')).status, 403)
  assert.equal((await ask(overseer, '/metrics', 'overseer.lan:9110')).status, 200)
  assert.equal((await ask(overseer, '/metrics', 'localhost')).status, 200)
  assert.equal((await ask(overseer, '/')).status, 404)
  assert.equal((await ask(overseer, '/metrics', 'localhost', 'POST')).status, 405)
})

test('an address that is taken ends the process at its start', async t => {
  const scene = await startScene(t)
  const check = await scene.start('check_results', LISTEN)
  const { address } = await check.waitForLog('metrics and health are served')
  assert.ok(typeof address === 'object' && address !== null && 'port' in address)
  const config = { ...scene.configs.check_results, MetricsListen: String(address.port) }
  const second = await spawnService(t, 'check_results', { config })
  assert.equal((await second.exit).code, 2)
  assert.match(second.output.join('\n'), /"MetricsListen" cannot be used: .*EADDRINUSE/)
})
