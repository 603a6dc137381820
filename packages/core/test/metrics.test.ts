import assert from 'node:assert/strict'
import { channel } from 'node:diagnostics_channel'
import { test } from 'node:test'
import { listenAddress } from '../src/metrics/config.js'
import type { Figure } from '../src/metrics/figures.js'
import { knownHosts } from '../src/metrics/host-name.js'
import { Metrics } from '../src/metrics/metrics.js'
import { serviceFigures, unreadyReasons } from '../src/metrics/service.js'

async function linesOf(metrics: Metrics, name: string): Promise<string[]> {
  const prefix = `cuckoo_distributed_${name}`
  const lines = (await metrics.text()).split('\n')
  return lines.filter(line => line.startsWith(prefix)).map(line => line.slice(prefix.length))
}

function gauge(name: string, read: Figure['read'], label?: string): Figure {
  return { name, help: 'of a test', kind: 'gauge', ...(label !== undefined && { label }), read }
}

test('a figure is read each time, and is missing while it is not known or cannot be read', async () => {
  using metrics = new Metrics('1')
  let value: number | undefined = 1
  metrics.add([
    gauge('known', () => value),
    gauge('broken', () => {
      throw new Error('not now')
    }),
    { ...gauge('counted', () => [['a', 2] as const], 'letter'), kind: 'counter' },
  ])
  assert.deepEqual(await linesOf(metrics, 'known'), [' 1'])
  value = undefined
  assert.deepEqual(await linesOf(metrics, 'known'), [])
  assert.deepEqual(await linesOf(metrics, 'broken'), [])
  assert.deepEqual(await linesOf(metrics, 'counted'), ['{letter="a"} 2'])
})

test('a figure that hangs keeps nobody for long', async () => {
  using metrics = new Metrics('1')
  metrics.add([gauge('hanging', () => new Promise(() => undefined)), gauge('known', () => 1)])
  assert.deepEqual(await linesOf(metrics, 'known'), [' 1'])
})

test('equal values of a label are added up, and so are those after the fiftieth', async () => {
  using metrics = new Metrics('1')
  const many = Array.from({ length: 60 }, (_, i) => [`url-${i}`, 1] as const)
  metrics.add([gauge('many', () => [...many, ['url-0', 5] as const], 'url')])
  const lines = await linesOf(metrics, 'many')
  assert.equal(lines.length, 51)
  assert.ok(lines.includes('{url="url-0"} 6'))
  assert.ok(lines.includes('{url="other"} 10'))
})

test('what ends a delivery is counted by its queue, and nothing else is', async () => {
  using metrics = new Metrics('1')
  for (const event of ['received', 'waiting', 'given back', 'complete', 'complete'] as const) {
    metrics.happened({ queue: 'q', md5: 'a'.repeat(32), analysisId: 'id' }, { event, code: 'CODE' })
  }
  metrics.happened({ analysisId: 'id' }, { event: 'resubmitted' })
  assert.deepEqual((await linesOf(metrics, 'deliveries_total')).sort(), [
    '{queue="q",outcome="complete"} 2',
    '{queue="q",outcome="given_back"} 1',
  ])
})

test('a call counts once: by the class of its status, or as unanswered', async () => {
  using metrics = new Metrics('1')
  const answered = { origin: 'http://user:secret@cuckoo:8090', path: '/' }
  channel('undici:request:headers').publish({ request: answered, response: { statusCode: 503 } })
  channel('undici:request:error').publish({ request: answered, error: new Error('broke off') })
  channel('undici:request:error').publish({ request: { origin: 'http://crits' }, error: new Error('refused') })
  assert.deepEqual(await linesOf(metrics, 'http_calls_total'), [
    '{target="cuckoo:8090",class="5xx"} 1',
    '{target="crits",class="none"} 1',
  ])
})

test('a service is unready without a connection, a consumer that is wanted, or a directory', async () => {
  const up = { isUp: true, losses: 3, readingTime: { isBlocked: true } }
  const consumer = { inWork: 2, state: { queue: 'q', isConsuming: false, isAsWanted: true } }
  const stop = new AbortController()
  const connections = { consuming: up, publishing: up }
  const rest = { directories: { TmpDir: '/' }, stop: stop.signal, events: { dropped: 4 } }
  const watched = { ...rest, connections, consumers: [consumer] }
  assert.deepEqual(await unreadyReasons(watched), [])
  const idle = { ...consumer, state: { ...consumer.state, isAsWanted: false } }
  assert.deepEqual(await unreadyReasons({ ...watched, consumers: [idle] }), ['"q" is not consumed'])
  const lost = { ...connections, publishing: { ...up, isUp: false } }
  assert.deepEqual(await unreadyReasons({ ...watched, connections: lost }), [
    'no connection to the broker for publishing',
  ])
  const [problem, ...others] = await unreadyReasons({ ...watched, directories: { TmpDir: '/no/such/directory' } })
  assert.match(problem ?? '', /^"TmpDir": \/no\/such\/directory cannot be written to: ENOENT/)
  assert.deepEqual(others, [])
  using metrics = new Metrics('1')
  metrics.add(serviceFigures(watched))
  assert.deepEqual(await linesOf(metrics, 'broker_blocked'), [
    '{connection="consuming"} 1',
    '{connection="publishing"} 1',
  ])
  assert.deepEqual(await linesOf(metrics, 'events_dropped_total'), [' 4'])
  stop.abort()
  assert.deepEqual(await unreadyReasons(watched), ['the process is stopping'])
})

test('a port alone is one of loopback', () => {
  assert.deepEqual(listenAddress('9110'), { host: '127.0.0.1', port: 9110 })
  assert.deepEqual(listenAddress('0.0.0.0:9110'), { host: '0.0.0.0', port: 9110 })
  assert.deepEqual(listenAddress('[::1]:0'), { host: '::1', port: 0 })
})

test('loopback and what was named are known, and nothing that only sounds so', () => {
  const isKnown = knownHosts(['Cuckoo.lan', '0.0.0.0', '::1', '10.0.0.7'])
  const known = ['localhost:9110', '127.0.0.9', '[::1]:80', 'cuckoo.LAN.:1', '10.0.0.7']
  const strange = ['', '0.0.0.0', 'evil.example', '127.0.0.1.evil.example', 'localhost@evil.example', '10.0.0.8']
  assert.deepEqual([...known, ...strange].filter(isKnown), known)
})

test('a call to a server that nobody knows is counted, as are those to servers after the fiftieth, together', async () => {
  using metrics = new Metrics('1')
  const answered = channel('undici:request:headers')
  for (const message of [undefined, null, 5, {}, { request: {} }, { request: null, response: { statusCode: 200 } }]) {
    answered.publish(message)
    channel('undici:request:error').publish({ request: undefined, ...Object(message), error: new Error('no') })
  }
  answered.publish({ request: {}, response: {} })
  assert.deepEqual(await linesOf(metrics, 'http_calls_total'), ['{target="other",class="none"} 1'])
  for (let n = 0; n < 52; n += 1) {
    answered.publish({ request: { origin: `http://h${n}` }, response: { statusCode: 200 } })
  }
  answered.publish({ request: { origin: 'http://h0' }, response: { statusCode: 999 } })
  const lines = await linesOf(metrics, 'http_calls_total')
  assert.equal(lines.length, 52, 'fifty servers, one of them in two classes, and the others')
  assert.ok(lines.includes('{target="other",class="2xx"} 3'), lines.join(' '))
  assert.ok(lines.includes('{target="h0",class="none"} 1'))
})

test('times are taken by what they are of, the program is named, and what is disposed of counts nothing', async () => {
  const metrics = new Metrics('1.2.3')
  metrics.took('delivery', 'q', 2)
  metrics.took('confirm', 'q', 3)
  assert.deepEqual(await linesOf(metrics, 'delivery_seconds_sum'), ['{queue="q"} 2'])
  assert.deepEqual(await linesOf(metrics, 'confirm_seconds_sum'), [' 3'])
  assert.deepEqual(await linesOf(metrics, 'build_info'), ['{version="1.2.3"} 1'])
  const text = await metrics.text()
  assert.match(text, /^process_resident_memory_bytes \d+/m)
  metrics.add([gauge('a', () => 1), { ...gauge('b', () => 1), kind: 'counter' }])
  assert.match(await metrics.text(), /^# TYPE cuckoo_distributed_a gauge\n(.*\n)*# TYPE cuckoo_distributed_b counter$/m)
  metrics[Symbol.dispose]()
  assert.equal(channel('undici:request:headers').hasSubscribers, false)
  assert.equal(channel('undici:request:error').hasSubscribers, false)
  assert.equal((await metrics.text()).trim(), '')
})
