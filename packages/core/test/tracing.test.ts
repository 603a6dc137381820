// What a collector gets of a process: spans of deliveries, publishes, calls and activities, and how they hang together.
import assert from 'node:assert/strict'
import { tracingChannel } from 'node:diagnostics_channel'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { waitFor } from '@cuckoo-distributed/testing'
import type { Activities, HeaderTable, Telemetry } from '../src/index.js'
import { openTracer } from '../src/tracing/open.js'

interface Span {
  readonly name: string
  readonly kind: number
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly links?: readonly { readonly spanId: string }[]
  readonly status: { readonly code?: number }
  readonly attributes: readonly { readonly key: string; readonly value: Record<string, unknown> }[]
  readonly events?: readonly { readonly name: string; readonly attributes?: Span['attributes'] }[]
}

const KINDS = ['', 'internal', 'server', 'client', 'producer', 'consumer']
const PROCESS = { service: 'svc', version: '1.2.3', instance: 'i' }
const TRACE = '0af7651916cd43dd8448eb211c80319c'
const SENT = { traceparent: `00-${TRACE}-b7ad6b7169203331-01` }

/** Does `work` with a tracer; the spans that reached the collector by its end, and whose they are. */
async function traced(t: TestContext, work: (tracer: Telemetry & Activities) => unknown, env = {}) {
  const bodies: string[] = []
  const collector = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    bodies.push(body)
    response.end('{}')
  })
  await new Promise<void>(resolve => collector.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    collector.closeAllConnections()
    return new Promise(resolve => collector.close(resolve))
  })
  const url = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = url
  t.after(() => {
    delete process.env.OTEL_EXPORTER_OTLP_ENDPOINT
  })
  const tracer = await openTracer(PROCESS, { OTEL_EXPORTER_OTLP_ENDPOINT: url, ...env })
  assert.ok(tracer)
  try {
    await work(tracer)
  } finally {
    await tracer[Symbol.asyncDispose]()
  }
  // A process does not wait long for its collector, which may be slow on a busy machine.
  await waitFor(() => bodies.length > 0, { describe: 'the spans' })
  const groups = bodies.flatMap(body => JSON.parse(body).resourceSpans)
  const spans: Span[] = groups.flatMap(group => group.scopeSpans.flatMap((scope: { spans: Span[] }) => scope.spans))
  const names = new Map(spans.map(({ spanId, name }) => [spanId, name]))
  /** `name < its parent`, `~` before what it is linked to; `!` at the end of one that failed. */
  const shown = (span: Span) =>
    [
      `${KINDS[span.kind]} ${span.name}`,
      ...(span.parentSpanId ? [`< ${names.get(span.parentSpanId) ?? span.parentSpanId}`] : []),
      ...(span.links ?? []).map(({ spanId }) => `~ ${spanId}`),
      ...(span.status.code === 2 ? ['!'] : []),
    ].join(' ')
  const named = (name: string) => spans.find(span => span.name === name) ?? assert.fail(`no span ${name}`)
  return {
    spans,
    named,
    tree: spans.map(shown).sort(),
    resource: pairs(groups[0]?.resource.attributes ?? []),
    attributes: (name: string) => pairs(named(name).attributes),
  }
}

function pairs(attributes: Span['attributes']): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]))
}

function arrival(more = {}) {
  return { queue: 'in', headers: SENT, messageId: 'm', bytes: 9, isWait: false, ...more }
}

test('without a collector, or switched off, there are no spans', async () => {
  const OTEL_EXPORTER_OTLP_ENDPOINT = 'http://127.0.0.1:9'
  for (const env of [
    {},
    { OTEL_EXPORTER_OTLP_ENDPOINT: '' },
    { OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_SDK_DISABLED: 'TRUE' },
    { OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_EXPORTER: 'none' },
  ]) {
    assert.equal(await openTracer(PROCESS, env), undefined)
  }
  await using tracer = await openTracer(PROCESS, { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: OTEL_EXPORTER_OTLP_ENDPOINT })
  assert.ok(tracer)
})

test('a delivery is received in the trace of its sender; what it settles and sends hangs under its processing', async t => {
  const sent: HeaderTable[] = []
  let current: string | undefined
  const { tree, named, attributes, spans, resource } = await traced(t, async tracer => {
    const result = await tracer.working?.(arrival(), async () => {
      current = tracer.current
      tracer.happened({ analysisId: 'a', md5: 'm', taskId: 5, queue: 'in' }, { event: 'submitted', to: 'out' })
      const departure = { queue: 'out', headers: { traceparent: 'old', 'x-attempts': 1 }, bytes: 3 }
      const how = await tracer.sending?.(departure, async headers => {
        sent.push(headers)
        return 'confirmed'
      })
      tracer.settled?.('in', 'ack')
      return how
    })
    assert.equal(result, 'confirmed')
    assert.equal(tracer.current, undefined)
    tracer.settled?.('in', 'nack')
    tracer.happened({ queue: 'in' }, { event: 'done' })
  })
  assert.deepEqual(tree, [
    'client ack in < process in',
    'client receive in < b7ad6b7169203331',
    'consumer process in < receive in',
    'producer send out < process in',
  ])
  assert.deepEqual(new Set(spans.map(({ traceId }) => traceId)), new Set([TRACE]))
  assert.equal(current, `00-${TRACE}-${named('process in').spanId}-01`)
  assert.deepEqual(sent, [{ 'x-attempts': 1, traceparent: `00-${TRACE}-${named('send out').spanId}-01` }])
  const messaging = (queue: string, type: string, name = type) => ({
    'messaging.system': 'rabbitmq',
    'messaging.operation.type': type,
    'messaging.operation.name': name,
    'messaging.destination.name': queue,
    'messaging.rabbitmq.destination.routing_key': queue,
  })
  const about = { 'messaging.message.body.size': 9, 'messaging.message.id': 'm' }
  assert.deepEqual(attributes('receive in'), { ...messaging('in', 'receive'), ...about })
  const own = { analysis_id: 'a', md5: 'm', task_id: 5 }
  const ours = Object.fromEntries(Object.entries(own).map(([name, value]) => [`cuckoo_distributed.${name}`, value]))
  assert.deepEqual(attributes('process in'), { ...messaging('in', 'process'), ...about, ...ours })
  assert.deepEqual(attributes('send out'), { ...messaging('out', 'send'), 'messaging.message.body.size': 3 })
  assert.deepEqual(attributes('ack in'), messaging('in', 'settle', 'ack'))
  const events = (named('process in').events ?? []).map(({ name, attributes = [] }) => [name, pairs(attributes)])
  assert.deepEqual(events, [['submitted', { 'cuckoo_distributed.to': 'out' }]])
  const { 'service.name': service, 'service.version': version, 'service.instance.id': instance } = resource
  assert.deepEqual([service, version, instance], ['svc', '1.2.3', 'i'])
})

test('the end of a wait is a trace of its own that names what it follows; a name from the environment is used', async t => {
  const { tree, named, attributes, resource } = await traced(
    t,
    tracer => tracer.working?.(arrival({ isWait: true, messageId: undefined }), async () => {}),
    { OTEL_SERVICE_NAME: 'other' },
  )
  assert.deepEqual(tree, ['client receive in ~ b7ad6b7169203331', 'consumer process in < receive in'])
  assert.notEqual(named('receive in').traceId, TRACE)
  assert.equal(attributes('receive in')['messaging.message.id'], undefined)
  assert.equal(resource['service.name'], 'other')
})

test('what fails is marked, with its code: a delivery that is told to have failed, a publish that is not confirmed', async t => {
  const { tree, attributes } = await traced(t, async tracer => {
    await tracer.working?.(arrival({ headers: {} }), async () => {
      tracer.happened({}, { event: 'failed', code: 'CRITS_AUTH' })
    })
    await tracer.working?.(arrival({ queue: 'other', headers: {} }), async () =>
      tracer.happened({}, { event: 'failed' }),
    )
    await assert.rejects(
      async () => {
        await tracer.sending?.({ queue: 'out', headers: SENT, bytes: 3 }, () =>
          Promise.reject(Object.assign(new Error('no'), { code: 'NO_ROUTE' })),
        )
      },
      { code: 'NO_ROUTE' },
    )
    await assert.rejects(async () => {
      await tracer.working?.(arrival({ queue: 'thrown', headers: {} }), () => Promise.reject(new Error('stop')))
    }, /stop/)
  })
  assert.deepEqual(tree, [
    'client receive in',
    'client receive other',
    'client receive thrown',
    'consumer process in < receive in !',
    'consumer process other < receive other !',
    'consumer process thrown < receive thrown',
    'producer send out < b7ad6b7169203331 !',
  ])
  assert.deepEqual(
    ['process in', 'process other', 'send out'].map(name => attributes(name)['error.type']),
    ['CRITS_AUTH', 'failed', 'NO_ROUTE'],
  )
})

test('what a delivery has begun and goes on after it is no part of it', async t => {
  const { tree } = await traced(t, async tracer => {
    let later = Promise.resolve()
    await tracer.working?.(arrival({ headers: {} }), async () => {
      later = turn().then(async () => {
        await turn()
        tracer.settled?.('in', 'ack')
        assert.equal(tracer.current, undefined)
      })
    })
    await later
  })
  assert.deepEqual(tree, ['client receive in', 'consumer process in < receive in'])
})

test('an activity answers its request, or follows from what was long ago; a status from 500 on and an error mark it', async t => {
  const { tree, attributes } = await traced(t, async tracer => {
    const begin = (name: string, more = {}) => tracer.begin({ name, attributes: { x: 1 }, ...more })
    const request = begin('request', { request: SENT })
    const inner = request.run(() => tracer.current)
    assert.match(inner ?? '', new RegExp(`^00-${TRACE}-`))
    request.end({ status: 499 })
    assert.equal(
      request.run(() => tracer.current),
      undefined,
      'it is over',
    )
    begin('bad', { request: {} }).end({ status: 500 })
    begin('thrown', { follows: SENT.traceparent }).end({ error: Object.assign(new Error('x'), { code: 'E' }) })
    begin('plain', { follows: 'nonsense' }).end({})
  })
  assert.deepEqual(tree, [
    'internal plain',
    'internal thrown ~ b7ad6b7169203331 !',
    'server bad !',
    'server request < b7ad6b7169203331',
  ])
  assert.deepEqual(attributes('request'), { x: 1, 'http.response.status_code': 499 })
  assert.deepEqual(attributes('bad'), { x: 1, 'http.response.status_code': 500, 'error.type': '500' })
  assert.deepEqual(attributes('thrown'), { x: 1, 'error.type': 'E' })
  assert.deepEqual(attributes('plain'), { x: 1 })
})

test('a call inside a delivery is a span that goes with the request, and ends with its status or its error', async t => {
  const calls = tracingChannel<object, object>('cuckoo_distributed:http')
  const call = (method: string, url: string, result: () => Promise<object>) => {
    const headers: Record<string, unknown> = {}
    const done = calls.tracePromise(result, { method, url, headers })
    return done.then(
      () => headers.traceparent,
      () => headers.traceparent,
    )
  }
  const status = (status: number) => Object.assign(new Error(`status ${status}`), { status, code: 'HTTP_STATUS' })
  let given: unknown
  const { tree, attributes, named } = await traced(t, async tracer => {
    assert.equal(await call('GET', 'http://h/', async () => ({})), undefined, 'outside of a delivery')
    await tracer.working?.(arrival({ headers: {} }), async () => {
      given = await call('GET', 'http://h:8090/a', async () => ({ status: 204 }))
      await call('PUT', 'https://h/b', () => Promise.reject(status(503)))
      await call('POST', 'http://h/c', () => Promise.reject(Object.assign(new Error('x'), { code: 'ECONNRESET' })))
      await call('HEAD', 'nonsense', async () => ({}))
    })
  })
  assert.deepEqual(tree, [
    'client GET < process in',
    'client HEAD < process in',
    'client POST < process in !',
    'client PUT < process in !',
    'client receive in',
    'consumer process in < receive in',
  ])
  const { traceId, spanId } = named('GET')
  assert.equal(given, `00-${traceId}-${spanId}-01`)
  const at = (method: string, url: string, address: string, port: number) => ({
    ...{ 'http.request.method': method, 'url.full': url, 'server.address': address, 'server.port': port },
  })
  const answered = (code: number) => ({ 'http.response.status_code': code })
  assert.deepEqual(attributes('GET'), { ...at('GET', 'http://h:8090/a', 'h', 8090), ...answered(204) })
  assert.deepEqual(attributes('PUT'), { ...at('PUT', 'https://h/b', 'h', 443), ...answered(503), 'error.type': '503' })
  assert.deepEqual(attributes('POST'), { ...at('POST', 'http://h/c', 'h', 80), 'error.type': 'ECONNRESET' })
  assert.deepEqual(attributes('HEAD'), at('HEAD', 'nonsense', '', 80))
  assert.equal(calls.start.hasSubscribers, false, 'who has ended listens to nothing')
})
