import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseBrokers, showBrokers } from '../src/broker/address.js'

test('a URL with all its parts', () => {
  const [broker, ...others] = parseBrokers(
    'amqps://us%65r:p%40ss%2Fw%C3%B6rd@mq.example:5679/my%2Fvhost?heartbeat=30&verify=no',
  )
  assert.deepEqual(others, [])
  assert.deepEqual(broker, {
    shown: 'mq.example:5679',
    options: {
      protocol: 'amqps',
      hostname: 'mq.example',
      port: 5679,
      username: 'user',
      password: 'p@ss/wörd',
      vhost: 'my%2Fvhost',
      heartbeat: 30,
      frameMax: 131_072,
      channelMax: 0,
    },
  })
})

test('what a URL leaves out has defaults', () => {
  assert.deepEqual(
    ['amqp://h', 'amqps://h/', 'amqp://user@[::1]:1'].flatMap(url => parseBrokers(url)).map(broker => broker.options),
    [
      { protocol: 'amqp', hostname: 'h', port: 5672, heartbeat: 10, frameMax: 131_072, channelMax: 0 },
      { protocol: 'amqps', hostname: 'h', port: 5671, heartbeat: 10, frameMax: 131_072, channelMax: 0 },
      {
        protocol: 'amqp',
        hostname: '::1',
        port: 1,
        username: 'user',
        password: '',
        heartbeat: 10,
        frameMax: 131_072,
        channelMax: 0,
      },
    ],
  )
})

test('hosts with commas between and lists of URLs are several brokers, shown without what is secret', () => {
  const brokers = parseBrokers(['amqp://u:a,b@one,two:5673/v', 'amqp://x:y@[::2]:5674'])
  assert.equal(showBrokers(brokers), 'one:5672, two:5673, [::2]:5674')
  assert.deepEqual(
    brokers.map(({ options }) => [options.hostname, options.username, options.password, options.vhost]),
    [
      ['one', 'u', 'a,b', 'v'],
      ['two', 'u', 'a,b', 'v'],
      ['::2', 'x', 'y', undefined],
    ],
  )
})

for (const password of ['p@sS', 'p/sS', 'p#sS', 'p?sS', 'p%sS', '12#sS', '12/sS@x', '12?sS', '@', 'sS@h/sS?sS#']) {
  test(`a password that is not percent-encoded is refused and not shown: ${password}`, () => {
    assert.throws(
      () => parseBrokers(`amqp://guest:${password}@h`),
      (error: Error) => {
        return error.message.includes('percent-encode') && !/sS|12|guest/.test(error.message)
      },
    )
  })
}

for (const url of [
  '',
  'h:5672',
  'guest:sS@h',
  'http://h',
  'amqp://',
  'amqp:///v',
  'amqp://h:0',
  'amqp://h:65536',
  'amqp://h:5x',
  'amqp://h,',
  'amqp://h h',
  'amqp://one,amqp://two',
  'AMQP-URL-OF-THE-BROKER',
]) {
  test(`no AMQP URL: ${url}`, () => {
    assert.throws(
      () => parseBrokers(url),
      (error: Error) => {
        return (
          error.message.startsWith('"Amqp" must have the form amqp://USER:PASSWORD@HOST:PORT') &&
          !/sS/.test(error.message)
        )
      },
    )
  })
}

test('a parameter that is no number is refused', () => {
  assert.throws(() => parseBrokers('amqp://h?heartbeat=10s'), /"Amqp": the parameter heartbeat must be a number/)
})
