// The numbers that all services of the pipeline share.
import assert from 'node:assert/strict'
import { fakeClock, startedWith, testUnits } from '@cuckoo-distributed/testing'
import type { Channel, ConsumeMessage } from 'amqplib'
import Type from 'typebox'
import { LiveDelivery, Session } from '../src/broker/delivery.js'
import { createLogger, Publisher, runProcess } from '../src/index.js'
import { BrokerKeys, holdLimitMs } from '../src/stage-config.js'

const log = createLogger('test', { LogFile: '', LogLevel: 'warning' })

testUnits('all services', Type.Object(BrokerKeys), {
  rows: {
    async HoldLimit(t) {
      const clock = fakeClock(t)
      const channel: Channel = Object.create(null)
      const fields = { redelivered: false }
      const message: ConsumeMessage = Object.assign(Object.create(null), {
        content: Buffer.from('x'),
        fields,
        properties: {},
      })
      const options = { queue: 'q', isCostly: false, holdLimitMs: holdLimitMs({ HoldLimit: 7 }), log }
      using delivery = new LiveDelivery(new Session(channel), message, options)
      await clock.pass(6_999)
      assert.equal(delivery.waiting.aborted, false)
      await clock.pass(1)
      assert.equal(delivery.waiting.aborted, true)
    },
    async DrainTime(t) {
      const clock = fakeClock(t)
      const { DrainTime, LogLevel } = BrokerKeys
      await startedWith(t, { DrainTime: 7, LogLevel: 'warning' })
      await runProcess({
        name: 'units',
        summary: 'For this test.',
        schema: Type.Object({ DrainTime, LogLevel }, { additionalProperties: false }),
        async run(_, { shutdown }) {
          process.emit('SIGTERM', 'SIGTERM')
          await clock.pass(6_999)
          assert.deepEqual([shutdown.stop.aborted, shutdown.force.aborted], [true, false])
          await clock.pass(1)
          assert.equal(shutdown.force.aborted, true)
          return 0
        },
      })
      assert.equal(process.exitCode, 0)
    },
    async MaxMessageSize() {
      const MaxMessageSize = 65_536
      const broker = { addresses: [], name: 'units', log, queues: [], queueType: 'classic' } as const
      const publisher = new Publisher({ ...broker, maxMessageSize: MaxMessageSize })
      const publish = (bytes: number) =>
        publisher.publish('q', Buffer.alloc(bytes), {}, AbortSignal.abort(new Error('may be sent')))
      await assert.rejects(publish(MaxMessageSize), { message: 'may be sent' })
      await assert.rejects(publish(MaxMessageSize + 1), { code: 'MESSAGE_TOO_LARGE' })
    },
  },
})
