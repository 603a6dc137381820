// The reader of events when its connection closes under it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { waitFor } from '@cuckoo-distributed/testing'
import { parseBrokers } from '../src/broker/address.js'
import { EventReader } from '../src/broker/event-reader.js'
import { encodeEvent } from '../src/events.js'
import { FakeBroker, logOf } from './fake-broker.js'

test('a reader that ends before all is set up stores what it took, and ends although it cannot acknowledge it', async () => {
  const broker = new FakeBroker()
  // Its queue for questions is never there.
  broker.onQueue = queue => (queue === 'failed.events' ? undefined : new Promise(() => {}))
  const stored: number[] = []
  const reader = new EventReader({
    ...{ addresses: parseBrokers('amqp://h'), name: 'r', log: logOf().log, connect: broker.connect },
    failedQueue: 'failed',
    store: async events => {
      await turn()
      stored.push(...events.map(({ seq }) => seq))
    },
    hear: () => {},
    onListening: () => assert.fail('it is not set up'),
    onLost: () => {},
  })
  reader.start()
  const [events] = await waitFor(() => broker.consumed.length > 0 && broker.consumed, { describe: 'a consumer' })
  events?.take({
    content: encodeEvent({ service: 's', instance: 'i', seq: 7, at: 1 }, { queue: 'q' }, { event: 'received' }),
  })
  await reader[Symbol.asyncDispose]()
  assert.deepEqual(stored, [7])
  assert.ok(!broker.steps.includes('ack'))
  assert.ok(broker.steps.includes('close'))
})
