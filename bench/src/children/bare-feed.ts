// bare-feed.js -config FILE: get, HTTP POST, confirmed publish, ack, with the libraries of feed_cuckoo and nothing else.
import { readFileSync } from 'node:fs'
import { multipartUpload } from '@cuckoo-distributed/http'
import { connect } from 'amqplib'
import { Agent, request } from 'undici'

type Key = 'Amqp' | 'ConsumerQueue' | 'ProducerQueue' | 'CuckooURL'
const config: Readonly<Record<Key, string>> & { PrefetchCount: number } = JSON.parse(
  readFileSync(process.argv[3] ?? '', 'utf8'),
)
const dispatcher = new Agent({ connections: config.PrefetchCount })

async function post(body: Buffer): Promise<Buffer> {
  const { file, crits_data }: { file: { name: string; data: string }; crits_data: object } = JSON.parse(body.toString())
  const sample = Buffer.from(file.data, 'base64')
  const upload = multipartUpload({
    fields: {},
    file: {
      field: 'file',
      filename: file.name,
      size: sample.length,
      async *open() {
        yield sample
      },
    },
  })
  const chunks: Uint8Array[] = []
  for await (const chunk of upload.open()) chunks.push(chunk)
  const response = await request(`${config.CuckooURL}/tasks/create/file`, {
    dispatcher,
    method: 'POST',
    reset: true,
    headers: { 'content-type': upload.contentType },
    body: Buffer.concat(chunks),
  })
  const answer: unknown = await response.body.json()
  return Buffer.from(JSON.stringify({ answer, CuckooURL: config.CuckooURL, CritsData: crits_data }))
}

const connection = await connect(config.Amqp)
const publishing = await connection.createConfirmChannel()
const consuming = await connection.createChannel()
await consuming.prefetch(config.PrefetchCount)
await consuming.consume(config.ConsumerQueue, async message => {
  if (message === null) return
  const body = await post(message.content)
  publishing.publish('', config.ProducerQueue, body, { persistent: true, mandatory: true }, refusal => {
    if (refusal) throw refusal
    consuming.ack(message)
  })
})
