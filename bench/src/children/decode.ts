// decode.js WAY BYTES [MD5]: the sample out of one message, piece by piece as an upload would ask for it, or by JSON.parse;
// with MD5 its digest is compared as well.
import { createHash, randomFillSync } from 'node:crypto'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setImmediate, setTimeout } from 'node:timers/promises'
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

function message(bytes: number, md5: string): Buffer {
  const head = '{"payload": {}, "file": {"name": "large.exe", "data": "'
  const tail = `"}, "crits_data": ${JSON.stringify({
    ...{ analysis_id: '1', object_type: 'Sample', object_id: '2', username: 'u', api_key: 'k', md5, source: 's' },
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

async function product(body: Buffer): Promise<number> {
  const { sample: check, crits } = decodeSubmission(body)
  const sample = await check?.()
  if (sample === undefined) throw new TypeError('the message has no sample')
  if (crits.md5 !== '') await sample.md5()
  // An upload waits for its socket between two pieces.
  for await (const _ of sample.open()) await setImmediate()
  return sample.size
}

async function plain(body: Buffer): Promise<number> {
  const { file, crits_data }: { file: { data: string }; crits_data: { md5: string } } = JSON.parse(body.toString())
  const sample = Buffer.from(file.data, 'base64')
  if (crits_data.md5 !== '') createHash('md5').update(sample).digest('hex')
  return sample.length
}

const [, , way, bytes = '', hashed] = process.argv
const body = message(Number(bytes), hashed === undefined ? '' : '0'.repeat(32))
const delay = monitorEventLoopDelay({ resolution: 1 })
delay.enable()
await setTimeout(20)
const idle = residentMiB('VmRSS')
const before = process.cpuUsage()
const size = await (way === 'JSON.parse' ? plain : product)(body)
const { user, system } = process.cpuUsage(before)
await setTimeout(20)
const decoded: Decoded = {
  cpu: (user + system) / 1e6,
  extra: residentMiB('VmHWM') - idle,
  longest: delay.max / 1e6,
  size,
}
tell(decoded)
