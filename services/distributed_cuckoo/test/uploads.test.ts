/** Samples on their way to disk. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { waitFor } from '@cuckoo-distributed/testing'
import { sendRaw } from './api-scene.js'
import { sampleFile, samplesIn } from './contract-scene.js'
import { curl, member } from './curl.js'
import { type Front, makeFront } from './front.js'

const HEAD = '--b\r\nContent-Disposition: form-data; name="file"; filename="s.exe"\r\n\r\n'
const END = '\r\n--b--\r\n'

test('a sample of whatever size is stored as it was sent, and its digests are right', async t => {
  const front = await makeFront(t)
  await front.start()
  for (const size of [1, 2 ** 19, 2 ** 19 + 1, 3_000_000]) {
    const content = 'MZ sample '.repeat(size / 10 + 1).slice(0, size)
    const sample = await sampleFile(t, 's.exe', content)
    const { json } = await curl(`${front.url}/task`, '-F', `file=@${sample}`)
    const id = String(member(json, 'task_id'))
    const path = String(member((await curl(`${front.url}/task/${id}`)).json, 'tasks', id, 'path'))
    assert.equal(await readFile(join(front.folder, 'samples', path), 'utf8'), content)
    const digest = (name: string) => createHash(name).update(content).digest('hex')
    const shown = member((await curl(`${front.url}/tasks/view/${id}`)).json, 'task', 'sample')
    assert.deepEqual(
      ['md5', 'sha256', 'file_size'].map(name => member(shown, name)),
      [digest('md5'), digest('sha256'), size],
    )
  }
})

function headOf(body: string): string {
  const type = 'Content-Type: multipart/form-data; boundary=b'
  return `POST /task HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${type}\r\nContent-Length: ${body.length}\r\n\r\n`
}

/** Sends the beginning of an upload and closes the connection. */
async function sendPart(front: Front, body: string, bytes: number): Promise<void> {
  const { hostname, port } = new URL(front.url)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  socket.write(headOf(body))
  await new Promise(resolve => socket.write(body.slice(0, bytes), resolve))
  socket.destroy()
}

test('an upload that is broken off, wherever, leaves neither a task nor a file', async t => {
  const front = await makeFront(t)
  await front.start()
  const body = HEAD + 'x'.repeat(2_000_000) + END
  assert.equal((await sendRaw(front.url, headOf(body) + body)).status, 200)
  await front.request('/task/1', { method: 'DELETE' })
  const stages = [0, 1, HEAD.length - 1, HEAD.length, HEAD.length + 1, 2 ** 19, 2 ** 20, 1_999_000, body.length - 3]
  for (let round = 0; round < 3; round += 1) {
    for (const bytes of stages) await sendPart(front, body, bytes)
    await Promise.all(stages.map(bytes => sendPart(front, body, bytes)))
  }
  let left: string[] = []
  await waitFor(
    async () => {
      left = await samplesIn(front.folder)
      return left.length === 0
    },
    { describe: () => `no sample to be left; there are ${left.length}` },
  )
  assert.deepEqual(await front.tasks(), [])
})

test('an upload whose client leaves with the last byte is a task with its file, or nothing', async t => {
  const front = await makeFront(t)
  await front.start()
  const body = `${HEAD}${'x'.repeat(600_000)}${END}`
  await Promise.all(Array.from({ length: 20 }, () => sendPart(front, body, body.length)))
  await front.submit('MZ last')
  let counts: number[] = []
  await waitFor(
    async () => {
      counts = [(await samplesIn(front.folder)).length, (await front.tasks()).length]
      return counts[0] === counts[1]
    },
    { describe: () => `as many samples as tasks; there are ${counts.join(' and ')}` },
  )
})
