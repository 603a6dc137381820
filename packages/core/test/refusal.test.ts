import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BrokerRefusedError, isRefusal, refusalHelp } from '../src/broker/refusal.js'
import { ServiceError } from '../src/index.js'
import { amqpError } from './fake-broker.js'

test('what waiting cannot mend is a refusal, and nothing else', () => {
  for (const code of [403, 405, 406, 530]) assert.ok(isRefusal(amqpError(code, 'x')), String(code))
  assert.ok(isRefusal(new ServiceError('QUEUE_MISMATCH', 'x')))
  assert.ok(isRefusal(new Error('Expected ConnectionOpenOk; got <ConnectionClose>')))
  assert.ok(isRefusal(new Error('Handshake terminated by server: 403 (ACCESS-REFUSED)')))
  assert.ok(isRefusal(new Error('ACCESS_REFUSED - access to queue refused')))
  for (const code of [320, 404, 501, 541, 'ECONNREFUSED'])
    assert.ok(!isRefusal(Object.assign(new Error('x'), { code })), String(code))
})

test('the help names the key and what is wrong with it', () => {
  const vhost = /^the vhost in "Amqp" does not exist/
  assert.match(refusalHelp(new Error('Expected ConnectionOpenOk; got x')), vhost)
  assert.match(refusalHelp(amqpError(530, 'NOT_ALLOWED')), vhost)
  assert.match(
    refusalHelp(amqpError(403, 'ACCESS_REFUSED - no')),
    /^user or password in "Amqp" is wrong.*ACCESS_REFUSED - no/,
  )
  assert.equal(refusalHelp(amqpError(406, 'other arguments')), 'other arguments')
  const cause = amqpError(406, 'other arguments')
  const error = new BrokerRefusedError(cause)
  assert.deepEqual(
    [error.code, error.message, error.cause],
    ['BROKER_REFUSED', 'the broker refused: other arguments', cause],
  )
})
