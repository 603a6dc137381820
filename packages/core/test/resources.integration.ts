// What six thousand messages leave behind in a process: nothing.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { waitFor } from '@cuckoo-distributed/testing'
import { done, forward, later } from '../src/index.js'
import { type Harness, startHarness } from './harness.js'

const BATCH = 3000
const MiB = 1024 * 1024

test('six thousand messages leave no memory, timer, socket or listener behind', async t => {
  const warnings: string[] = []
  const onWarning = (warning: Error) => warnings.push(warning.message)
  process.on('warning', onWarning)
  t.after(() => process.off('warning', onWarning))
  let handled = 0
  let gone = 0
  const harness = await startHarness(t, {
    prefetch: 50,
    handle: async (context, { out }) => {
      handled += 1
      const turn = handled % 10
      if (turn === 0) return later()
      if (turn === 1) throw new Error('Cuckoo said no')
      if (turn > 2) return forward(out, context.delivery.body)
      gone += 1
      return done()
    },
  })
  const passThrough = async () => {
    gone = 0
    await publishBatch(harness)
    // A confirm that comes late on a busy machine makes a second copy.
    await waitFor(async () => gone + (await settled(harness)) >= BATCH && (await isEmpty(harness)), {
      everyMs: 200,
      describe: 'all messages to have passed',
    })
    await empty(harness)
  }
  await passThrough()
  const [heap, resources] = [await heapUsed(), process.getActiveResourcesInfo().sort()]
  await passThrough()
  const grown = (await heapUsed()) - heap
  assert.ok(grown < 2 * MiB, `the heap has grown by ${grown} bytes`)
  assert.deepEqual(process.getActiveResourcesInfo().sort(), resources)
  assert.deepEqual(warnings, [])
})

async function publishBatch({ broker, queues }: Harness): Promise<void> {
  for (let sent = 0; sent < BATCH; sent += 500) {
    const bodies = Array.from({ length: 500 }, (_, index) => `message ${sent + index}`)
    await Promise.all(bodies.map(body => broker.publish(queues.in, body)))
  }
}

async function isEmpty({ broker, queues }: Harness): Promise<boolean> {
  return (await broker.depth(queues.in)) === 0
}

async function settled({ broker, queues }: Harness): Promise<number> {
  return ((await broker.depth(queues.out)) ?? 0) + ((await broker.depth(queues.failed)) ?? 0)
}

/** The queues and the log, which is the test's own memory. */
async function empty({ broker, queues, lines }: Harness): Promise<void> {
  for (const queue of [queues.out, queues.failed]) {
    await broker.delete(queue)
    await broker.declare(queue)
  }
  lines.length = 0
}

/** Bytes that stay after as many collections as it takes: what has weak references goes in a later one. */
async function heapUsed(): Promise<number> {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  assert.ok(typeof collect === 'function')
  let used = Number.POSITIVE_INFINITY
  for (;;) {
    await new Promise(resolve => setImmediate(resolve))
    collect()
    const now = process.memoryUsage().heapUsed
    if (now > used - MiB / 16) return Math.min(now, used)
    used = now
  }
}
