// bare-relay.js -config FILE: what relay.ts does, in the fewest calls of amqplib: get, confirmed publish, ack.
import { readFileSync } from 'node:fs'
import { connect } from 'amqplib'

const config: Readonly<Record<'Amqp' | 'ConsumerQueue' | 'ProducerQueue', string>> & { PrefetchCount: number } =
  JSON.parse(readFileSync(process.argv[3] ?? '', 'utf8'))
const connection = await connect(config.Amqp)
const publishing = await connection.createConfirmChannel()
const consuming = await connection.createChannel()
await consuming.prefetch(config.PrefetchCount)
await consuming.consume(config.ConsumerQueue, message => {
  if (message === null) return
  publishing.publish('', config.ProducerQueue, message.content, { persistent: true, mandatory: true }, refusal => {
    if (refusal) throw refusal
    consuming.ack(message)
  })
})
