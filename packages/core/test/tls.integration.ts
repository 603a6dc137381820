// amqps with an authority of one's own and a certificate for each client.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { freePort, type PrivateRabbitMq, startRabbitMq } from '@cuckoo-distributed/testing'
import { pino } from 'pino'
import { parseBrokers } from '../src/broker/address.js'
import { BrokerConnection, type TlsFiles } from '../src/broker/connection.js'
import { tlsProblems } from '../src/broker/tls.js'

const file = (name: string) => fileURLToPath(new URL(`../../test/fixtures/tls/${name}`, import.meta.url))
const pem = (name: string) => readFileSync(file(name))
const none = { Amqp: 'amqps://guest:guest@127.0.0.1', AmqpCA: '', AmqpCert: '', AmqpKey: '' }

let node: PrivateRabbitMq
let port: number

before(async () => {
  port = await freePort()
  const options = [
    `listeners.ssl.1 = 127.0.0.1:${port}`,
    `ssl_options.cacertfile = ${file('ca.pem')}`,
    `ssl_options.certfile = ${file('server.pem')}`,
    `ssl_options.keyfile = ${file('server.key')}`,
    'ssl_options.verify = verify_peer',
    'ssl_options.fail_if_no_peer_cert = true',
  ]
  node = await startRabbitMq({ config: options })
})
after(() => node.stop())

test('with its authority and its own certificate a service connects', async t => {
  const { link, end } = linkWith(t, { ca: pem('ca.pem'), cert: pem('client.pem'), key: pem('client.key') })
  await link.open(end.signal)
  assert.ok(await link.connected(end.signal))
})

test('a broker whose authority is not trusted is not talked to, and the log says why', async t => {
  const { link, lines, end } = linkWith(t, {})
  const opening = link.open(end.signal)
  await lines.first
  end.abort(new Error('the test is over'))
  await assert.rejects(opening, /the test is over/)
  assert.match(lines.all.join(''), /self.signed certificate|unable to (get|verify)/i)
})

test('files that cannot be used are found at the start, each with its key', () => {
  assert.deepEqual(tlsProblems(none), [])
  assert.match(tlsProblems({ ...none, AmqpCA: '/no/such/file' }).join(), /"AmqpCA" cannot be used: .*no such file/)
  assert.match(
    tlsProblems({ ...none, AmqpCert: file('client.pem') }).join(),
    /"AmqpCert" and "AmqpKey" need each other/,
  )
  const other = { ...none, AmqpCert: file('client.pem'), AmqpKey: file('server.key') }
  assert.match(tlsProblems(other).join(), /"AmqpCert", "AmqpKey" cannot be used/)
  const plain = { ...none, Amqp: 'amqp://127.0.0.1', AmqpCA: file('ca.pem') }
  assert.match(tlsProblems(plain).join(), /only for an "Amqp" that begins with amqps:/)
  const good = { ...none, AmqpCA: file('ca.pem'), AmqpCert: file('client.pem'), AmqpKey: file('client.key') }
  assert.deepEqual(tlsProblems(good), [])
})

function linkWith(t: TestContext, tls: TlsFiles) {
  const all: string[] = []
  let announce = () => {}
  const first = new Promise<void>(resolve => {
    announce = resolve
  })
  const write = (line: string) => {
    all.push(line)
    announce()
  }
  const addresses = parseBrokers(`amqps://guest:guest@127.0.0.1:${port}`)
  const link = new BrokerConnection({
    addresses,
    tls,
    name: 'tls test',
    log: pino({}, { write }),
    setUp: async () => undefined,
  })
  t.after(() => link[Symbol.asyncDispose]())
  return { link, lines: { all, first }, end: new AbortController() }
}
