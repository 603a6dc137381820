// The trace of a sample, as a collector of OpenTelemetry gets it from the four built services.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { waitFor } from '@cuckoo-distributed/testing'
import { startCluster } from './cluster.js'
import { assertCleanEnd, assertResults } from './expectations.js'
import { at, PIPELINE } from './project.js'
import { startScene } from './scene.js'

interface Span {
  readonly service: unknown
  readonly name: string
  readonly trace: string
  readonly id: string
  readonly parent: string
  /** Span ids. */
  readonly links: readonly string[]
  readonly failed: boolean
  readonly attributes: Readonly<Record<string, unknown>>
  readonly events: readonly unknown[]
}

/** A collector that takes OTLP as JSON over HTTP; returns its URL and what it gets. */
async function startCollector(t: TestContext): Promise<{ url: string; spans: Span[] }> {
  const spans: Span[] = []
  const server = createServer(async (request, response) => {
    const body: unknown = JSON.parse((await buffer(request)).toString())
    assert.deepEqual([request.method, request.url], ['POST', '/v1/traces'])
    spans.push(...list(at(body, 'resourceSpans')).flatMap(spansOf))
    response.setHeader('content-type', 'application/json').end('{}')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return { url: `http://127.0.0.1:${address.port}`, spans }
}

function spansOf(resource: unknown): Span[] {
  const service = valuesOf(at(resource, 'resource', 'attributes'))['service.name']
  return list(at(resource, 'scopeSpans')).flatMap(scope =>
    list(at(scope, 'spans')).map(span => ({
      service,
      name: String(at(span, 'name')),
      trace: String(at(span, 'traceId')),
      id: String(at(span, 'spanId')),
      parent: String(at(span, 'parentSpanId') ?? ''),
      links: list(at(span, 'links')).map(link => String(at(link, 'spanId'))),
      failed: at(span, 'status', 'code') === 2,
      attributes: valuesOf(at(span, 'attributes')),
      events: list(at(span, 'events')).map(event => at(event, 'name')),
    })),
  )
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function valuesOf(attributes: unknown): Record<string, unknown> {
  const valueIn = (attribute: unknown) => Object.values(at(attribute, 'value') ?? {})[0]
  return Object.fromEntries(list(attributes).map(each => [String(at(each, 'key')), valueIn(each)]))
}

/** Set before services are started: they inherit it. */
function traceInto(t: TestContext, url: string): void {
  Object.assign(process.env, { OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_BSP_SCHEDULE_DELAY: '100' })
  t.after(() => {
    delete process.env.OTEL_EXPORTER_OTLP_ENDPOINT
    delete process.env.OTEL_BSP_SCHEDULE_DELAY
  })
}

test("one sample's whole life is one chain of spans, a retry included, with a link over the wait in the sandbox", async t => {
  const { url, spans } = await startCollector(t)
  traceInto(t, url)
  const scene = await startScene(t)
  const cuckoo = await scene.startCuckoo()
  cuckoo.faults.next({ kind: 'status', status: 413, match: { method: 'POST', path: '/tasks/create/file' } })
  const services = await scene.startAll({ feed_cuckoo: { CuckooURL: cuckoo.url } })
  const sample = await scene.emit({ name: 'traced.exe', bytes: Buffer.from('MZ\x90 traced') })
  await scene.allAre('completed', [sample])
  assertResults(scene, sample)
  await assertCleanEnd(scene, services, cuckoo)

  const { queues } = scene
  const named = (name: string) => spans.filter(span => span.name === name)
  const one = (name: string) => {
    const [span, ...others] = named(name)
    assert.ok(span && others.length === 0, `${named(name).length} × "${name}" in ${spans.map(each => each.name)}`)
    return span
  }
  // Everything hangs together: the first delivery is the only beginning, and one link leads over the wait.
  const ids = new Set(spans.map(({ id }) => id))
  const roots = spans.filter(({ parent }) => parent === '')
  const linked = one(`receive ${queues.check}`)
  const firstly = roots.find(root => root !== linked)
  assert.equal(firstly?.name, `receive ${queues.feed}`)
  assert.deepEqual(roots.length, 2)
  for (const { name, parent } of spans)
    assert.ok(parent === '' || ids.has(parent), `${name} has a parent that was sent`)
  assert.deepEqual(linked.links, [one(`send ${queues.check}`).id])
  assert.equal(new Set(spans.map(({ trace }) => trace)).size, 2)
  assert.notEqual(linked.trace, firstly.trace)
  assert.deepEqual([...new Set(spans.map(({ service }) => service))].sort(), [...PIPELINE].sort())

  // The way of the message: each is received from the span that sent it.
  const [failing, succeeding] = named(`process ${queues.feed}`)
  assert.ok(failing && succeeding)
  assert.deepEqual([failing.failed, succeeding.failed], [true, false])
  assert.ok(failing.events.includes('failed') && succeeding.events.includes('submitted'))
  const delayed = `${queues.failed}.delay.1`
  for (const queue of [queues.failed, delayed, queues.check, queues.parse]) {
    const received = one(`receive ${queue}`)
    const from = received.parent || received.links[0]
    assert.equal(from, one(`send ${queue}`).id)
    assert.equal(one(`process ${queue}`).parent, received.id)
  }
  const again = spans.find(span => span.name === `send ${queues.feed}`)
  assert.equal(again?.parent, one(`process ${delayed}`).id)
  for (const processed of spans.filter(({ name }) => name.startsWith('process '))) {
    assert.equal(processed.attributes['cuckoo_distributed.analysis_id'], sample.analysisId)
    assert.ok(spans.some(({ name, parent }) => name.startsWith('ack ') && parent === processed.id))
    assert.equal(processed.attributes['messaging.system'], 'rabbitmq')
  }

  // HTTP calls are part of the work that they were made for.
  const calls = (of: Span) => spans.filter(({ parent, name }) => parent === of.id && /^[A-Z]+$/.test(name))
  const upload = calls(failing).find(({ attributes }) => attributes['url.full'] === `${cuckoo.url}/tasks/create/file`)
  assert.deepEqual([upload?.name, upload?.failed, upload?.attributes['error.type']], ['POST', true, '413'])
  assert.ok(
    calls(one(`process ${queues.parse}`)).some(({ attributes }) =>
      String(attributes['url.full']).startsWith(scene.crits.url),
    ),
  )
})

test('a dump keeps the trace, and goes on with it when it is resubmitted', async t => {
  const { url, spans } = await startCollector(t)
  traceInto(t, url)
  const scene = await startScene(t)
  const cuckoo = await scene.startCuckoo()
  cuckoo.faults.next({ kind: 'status', status: 413, match: { method: 'POST', path: '/tasks/create/file' } })
  await scene.start('overseer', { RetryDelays: [] })
  await scene.start('feed_cuckoo', { CuckooURL: cuckoo.url })
  const sample = await scene.emit({ name: 'dumped.exe', bytes: Buffer.from('MZ\x90 dumped') })
  await scene.allAre('error', [sample])
  assert.deepEqual(await (await scene.resubmitDumped()).exit, { code: 0, signal: null })
  const processed = () => spans.filter(({ name }) => name === `process ${scene.queues.feed}`)
  await waitFor(() => processed().length === 2, { describe: 'the second try' })
  assert.equal(new Set(spans.map(({ trace }) => trace)).size, 1)
})

test('behind a cluster the upload is a part of the trace, and what is done with the task is linked to it', async t => {
  const { url, spans } = await startCollector(t)
  traceInto(t, url)
  const scene = await startScene(t)
  const node = await scene.startCuckoo()
  const cluster = await startCluster(t, [node])
  await scene.start('overseer')
  await scene.start('feed_cuckoo', { CuckooURL: cluster.url })
  const sample = await scene.emit({ name: 'clustered.exe', bytes: Buffer.from('MZ\x90 clustered') })
  const of = (name: string) => spans.filter(span => span.service === 'distributed_cuckoo' && span.name === name)
  await waitFor(() => of('fetch task').length === 1, {
    describe: () => spans.map(s => s.name).join(),
  })
  const [created, ...more] = of('POST /tasks/create/file')
  assert.ok(created && more.length === 0)
  const upload = await waitFor(() => spans.find(({ id }) => id === created.parent), {
    describe: 'the span of the upload',
  })
  assert.deepEqual([upload.service, upload.name, upload.trace], ['feed_cuckoo', 'POST', created.trace])
  assert.equal(created.attributes['http.response.status_code'], 200)
  for (const name of ['send task', 'fetch task']) {
    const [work] = of(name)
    assert.ok(work)
    assert.deepEqual([work.parent, work.links], ['', [created.id]], name)
    assert.equal(work.attributes['cuckoo_distributed.task_id'], 1)
    const calls = spans.filter(({ parent }) => parent === work.id)
    assert.ok(calls.length > 0)
    for (const call of calls) assert.ok(String(call.attributes['url.full']).startsWith(node.url))
  }
  assert.equal(node.submissions.length, 1)
  assert.ok(sample.analysisId)
})

test('a collector that is away, or takes nothing, holds nobody up', async t => {
  const silent = createServer(() => {})
  await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    silent.closeAllConnections()
    silent.close()
  })
  const address = silent.address()
  assert.ok(typeof address === 'object' && address !== null)
  process.env.OTEL_EXPORTER_OTLP_TIMEOUT = '1000'
  t.after(() => delete process.env.OTEL_EXPORTER_OTLP_TIMEOUT)
  for (const url of [`http://127.0.0.1:${address.port}`, 'http://127.0.0.1:1']) {
    traceInto(t, url)
    const scene = await startScene(t)
    const cuckoo = await scene.startCuckoo()
    const services = await scene.startAll({ feed_cuckoo: { CuckooURL: cuckoo.url } })
    const sample = await scene.emit({ name: 'untold.exe', bytes: Buffer.from(`MZ\x90 untold ${url}`) })
    await scene.allAre('completed', [sample])
    await assertCleanEnd(scene, services, cuckoo)
  }
})
