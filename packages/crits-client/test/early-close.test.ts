// CRITs of 2019 answers 500 to a large body and closes before it has read it, so that the client may see anything: the answer, a
// part of it, a broken pipe, a reset. Seen with 6 of 24 uploads.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { CritsServer, type SampleFile } from '../src/index.js'
import { TARGET } from './stub.js'

const UPLOADS = 24
const LOG_LINE = '{"return_code": 0, "message": ""}'
const ERROR = '{"error_message": "Request body exceeded settings.DATA_UPLOAD_MAX_MEMORY_SIZE."}'
const head = (status: string, length: number) =>
  `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: ${length}\r\n\r\n`
const answer = (status: string, body: string) => head(status, body.length) + body

/** How the connection of an upload ends once this many bytes of it were read. */
interface Ending {
  readonly afterBytes: number
  readonly write: string
  /** With a FIN that the unread body turns into a reset a little later, or with a reset at once. */
  readonly close: 'end' | 'reset'
}

const ENDINGS: readonly (readonly [title: string, ending: Ending])[] = [
  ['all of it before the body', { afterBytes: 1, write: answer('500 Internal Server Error', ERROR), close: 'end' }],
  [
    'all of it, then a reset',
    { afterBytes: 100_000, write: answer('500 Internal Server Error', ERROR), close: 'reset' },
  ],
  ['a part of it', { afterBytes: 70_000, write: head('500 Internal Server Error', 200) + ERROR, close: 'end' }],
  [
    'a part of it, then a reset',
    { afterBytes: 1, write: head('500 Internal Server Error', 200) + ERROR, close: 'reset' },
  ],
  ['a part of its headers', { afterBytes: 1, write: 'HTTP/1.1 500 Internal Ser', close: 'end' }],
  ['nothing', { afterBytes: 1_000_000, write: '', close: 'end' }],
  ['a reset alone', { afterBytes: 1_000_000, write: '', close: 'reset' }],
]

/** Answers log lines; ends each upload as `endings` say, in turn. */
async function startEarly(t: TestContext, endings: readonly Ending[]) {
  let uploads = 0
  const serve = (socket: Socket) => {
    let [seen, bytes] = ['', 0]
    let ending: Ending | undefined
    socket.on('error', () => undefined)
    socket.on('data', chunk => {
      bytes += chunk.length
      if (seen.length < 65_536) seen += chunk.toString('latin1')
      if (ending === undefined && /^POST \/api\/v1\/(samples|pcaps)\//.test(seen))
        ending = endings[uploads++ % endings.length]
      if (ending === undefined) {
        if (seen.includes('log_message')) socket.end(answer('200 OK', LOG_LINE))
      } else if (bytes >= ending.afterBytes) {
        const { close } = ending
        socket.pause() // what is not read makes a reset of the end
        socket.write(ending.write, () => (close === 'reset' ? socket.resetAndDestroy() : socket.destroy()))
      }
    })
  }
  const http = createServer(serve).listen(0, '127.0.0.1')
  await once(http, 'listening')
  const baseUrl = new URL(`http://127.0.0.1:${(http.address() as AddressInfo).port}`)
  const server = new CritsServer({ baseUrl, verifySsl: true })
  t.after(async () => {
    await server[Symbol.asyncDispose]()
    http.close()
  })
  return server.client(TARGET)
}

function large(name: string): SampleFile {
  const block = Buffer.alloc(65_536, name)
  const blocks = 64
  return {
    name,
    md5: '9e107d9d372bb6826bd81d3542a419d6',
    size: blocks * block.length,
    async *open() {
      for (let i = 0; i < blocks; i += 1) yield block
    },
  }
}

const REFUSAL = /above this CRITs' limit/
const { signal } = new AbortController()

for (const [title, ending] of ENDINGS) {
  test(`a 500 before a large body was read is a refusal of the file, whatever comes of it: ${title}`, async t => {
    const client = await startEarly(t, [ending])
    for (let i = 0; i < UPLOADS; i += 1) {
      const { stored, complaint } = await client.attempt(signal, inner =>
        client.addSample(large('a'), 'Internal', inner),
      )
      assert.equal(stored, false)
      assert.match(complaint ?? '', REFUSAL)
    }
    assert.equal(client.availability.isDown, false)
  })
}

test('so is any mixture of them', async t => {
  const client = await startEarly(
    t,
    ENDINGS.map(([, ending]) => ending),
  )
  for (let i = 0; i < 2 * UPLOADS; i += 1) {
    const { complaint } = await client.attempt(signal, inner => client.addPcap(large('b'), 'Internal', inner))
    assert.match(complaint ?? '', REFUSAL)
  }
})
