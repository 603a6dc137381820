// decode.js WAY BYTES: the sample out of one message, piece by piece as an upload would ask for it, or by JSON.parse.
import { randomFillSync } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { decodeSubmission } from '@cuckoo-distributed/feed-cuckoo/build/src/submission.js'
import { residentMiB, tell } from '../usage.js'

/** What a way of decoding needs. */
export interface Decoded {
  /** Seconds of processor time. */
  readonly cpu: number
  /** MiB above the process that holds the message. */
  readonly extra: number
  /** Milliseconds of the longest piece of work without a pause. */
  readonly longest: number
  readonly size: number
}

function message(bytes: number): Buffer {
  const head = '{"payload": {}, "file": {"name": "large.exe", "data": "'
  const tail = `"}, "crits_data": ${JSON.stringify({
    ...{ analysis_id: '1', object_type: 'Sample', object_id: '2', username: 'u', api_key: 'k', md5: '', source: 's' },
  })}}`
  const noise = randomFillSync(Buffer.alloc(3 * 2 ** 16))
  const data = noise.toString('base64')
  const count = Math.ceil(bytes / noise.length)
  const body = Buffer.allocUnsafeSlow(head.length + count * data.length + tail.length)
  body.write(head)
  body.fill(data, head.length, head.length + count * data.length)
  body.write(tail, head.length + count * data.length)
  return body
}

let longest = 0
let since = 0
const resume = (): void => {
  since = performance.now()
}
const pause = (): void => {
  longest = Math.max(longest, performance.now() - since)
}

async function product(body: Buffer): Promise<number> {
  resume()
  const { sample } = decodeSubmission(body)
  if (sample === undefined) throw new TypeError('the message has no sample')
  for await (const _ of sample.open()) {
    pause()
    await setImmediate()
    resume()
  }
  return sample.size
}

async function plain(body: Buffer): Promise<number> {
  resume()
  const { file }: { file: { data: string } } = JSON.parse(body.toString())
  const sample = Buffer.from(file.data, 'base64')
  pause()
  return sample.length
}

const [, , way, bytes = ''] = process.argv
const body = message(Number(bytes))
const idle = residentMiB('VmRSS')
const before = process.cpuUsage()
const size = await (way === 'JSON.parse' ? plain : product)(body)
const { user, system } = process.cpuUsage(before)
const decoded: Decoded = { cpu: (user + system) / 1e6, extra: residentMiB('VmHWM') - idle, longest, size }
tell(decoded)
