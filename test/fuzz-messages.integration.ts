// Bad messages in every queue of the built services: each ends in DumpDir once, byte for byte, and leaves nothing behind.
import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { decodeFailedMessage, decodeTask } from '@cuckoo-distributed/core'
import { AWKWARD_JSON, type Damage, damagedJson, waitFor } from '@cuckoo-distributed/testing'
import fc from 'fast-check'
import { assertFlat, figuresOf, TELLING } from './figures.js'
import { type Scene, startScene } from './scene.js'

const MiB = 1024 * 1024
const PER_QUEUE = 60
const WAVES = 3
/** The least there is: larger messages cannot be wrapped, nor passed on by their own size. */
const MaxMessageSize = MiB / 16

const crits_data = { analysis_id: '', object_type: 'Sample', object_id: 'o', username: 'u', api_key: 'k', md5: 5 }
const damage: fc.Arbitrary<Damage> = fc.record({
  values: fc.array(fc.tuple(fc.nat(), fc.nat()), { minLength: 1, maxLength: 3 }),
  bytes: fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }),
  cut: fc.option(fc.nat(), { freq: 3 }),
})
/** None of them is a message of any stage: each lacks something, and what is there is of the wrong type. */
const NEARLY = [
  { payload: {}, file: { name: 5, data: 'TVo=' }, crits_data },
  { TaskId: 1, CuckooURL: 5, CritsData: crits_data },
  { Service: 's', Queue: 5, Error: 'e', Desc: 'd', Msg: '{}' },
]
const bad: fc.Arbitrary<Buffer> = fc.oneof(
  fc.uint8Array({ maxLength: 2000 }).map(array => Buffer.from(array)),
  fc.tuple(fc.constantFrom(...NEARLY), damage).map(([message, done]) => damagedJson(message, done)),
  fc.string({ unit: 'binary', maxLength: 500 }).map(text => Buffer.from(text)),
  fc.json().map(text => Buffer.from(text)),
)
/** Once in each queue. */
const SPECIAL = [
  Buffer.alloc(0),
  Buffer.from('\ufeff{}'),
  ...AWKWARD_JSON.map(text => Buffer.from(`${text} `)),
  Buffer.alloc(3 * MiB, '"'),
  Buffer.alloc(3 * MiB, 0xff),
  Buffer.from('['.repeat(MiB)),
]

/** Messages that no stage takes for one of its own, each unlike the others; the same in every run. */
function badMessages(count: number, seed: number): Buffer[] {
  const drawn = fc.sample(bad, { numRuns: 3 * count, seed }).filter(isBad)
  const unlike = new Map([...SPECIAL, ...drawn].map(body => [body.toString('latin1'), body]))
  assert.ok(unlike.size >= count)
  return [...unlike.values()].slice(0, count)
}

function isBad(body: Buffer): boolean {
  for (const decode of [decodeTask, decodeFailedMessage]) {
    try {
      decode(body)
      return false
    } catch {} // which is what is wanted
  }
  return true
}

async function dumpNames({ dumpDir }: Scene): Promise<string[]> {
  return (await readdir(dumpDir)).filter(name => !name.startsWith('.'))
}

type Dumped = { readonly queue: string; readonly body: string }

/** What lies in DumpDir; what was dumped as it is comes from the failed queue itself. */
async function dumpedIn(scene: Scene): Promise<Dumped[]> {
  return Promise.all(
    (await dumpNames(scene)).map(async name => {
      const content = await readFile(join(scene.dumpDir, name))
      if (name.endsWith('.bin')) return { queue: scene.queues.failed, body: content.toString('base64') }
      const { Queue, Msg, MsgBase64 } = JSON.parse(content.toString())
      return { queue: String(Queue), body: MsgBase64 ?? Buffer.from(Msg).toString('base64') }
    }),
  )
}

const inOrder = (dumps: readonly Dumped[]) => dumps.map(({ queue, body }) => `${queue} ${body}`).sort()

test('every bad message ends in DumpDir once, byte for byte, and the services hold no more than before', async t => {
  const scene = await startScene(t)
  const cuckoo = await scene.startCuckoo()
  const services = await Promise.all([
    scene.start('feed_cuckoo', { CuckooURL: cuckoo.url, MaxMessageSize, PrefetchCount: 10 }, TELLING),
    scene.start('check_results', { MaxMessageSize }, TELLING),
    scene.start('parse_and_submit', { MaxMessageSize }, TELLING),
    scene.start('overseer', { MaxMessageSize }, TELLING),
  ])
  const { feed, check, parse, failed } = scene.queues
  const bodies = [feed, check, parse, failed].map((queue, seed) => ({
    queue,
    all: badMessages(WAVES * PER_QUEUE, seed),
  }))
  const sent: Dumped[] = []
  const figures = []
  for (let wave = 0; wave < WAVES; wave += 1) {
    const messages = bodies.flatMap(({ queue, all }) => {
      return all.slice(wave * PER_QUEUE, (wave + 1) * PER_QUEUE).map(body => ({ queue, body }))
    })
    await Promise.all(messages.map(({ queue, body }) => scene.broker.publish(queue, body, { persistent: true })))
    sent.push(...messages.map(({ queue, body }) => ({ queue, body: body.toString('base64') })))
    await waitFor(async () => (await dumpNames(scene)).length >= sent.length, {
      describe: `${sent.length} dumps`,
    })
    figures.push(await Promise.all(services.map(figuresOf)))
  }
  assert.deepEqual(inOrder(await dumpedIn(scene)), inOrder(sent))
  for (const queue of Object.values(scene.queues)) assert.equal(await scene.broker.depth(queue), 0, queue)
  assert.equal(cuckoo.submissions.length, 0)
  for (const [index, service] of services.entries()) {
    const [, before, after] = figures.map(wave => wave[index])
    assert.ok(before && after)
    assertFlat(service, before, after, { bytes: 4 * MiB, rss: 64 * MiB })
    assert.equal((await service.stop()).code, 0)
  }
})
