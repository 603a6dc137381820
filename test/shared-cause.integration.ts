// A cause that lies in the place: the built services, 60 samples, and a CRITs that refuses their key for a while.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { waitFor } from '@cuckoo-distributed/testing'
import { leftBehind } from './expectations.js'
import { startScene } from './scene.js'

const SAMPLES = 60

test('a refused key dumps none of 60 samples, and all arrive without a hand', async t => {
  const scene = await startScene(t)
  const { crits, queues, broker } = scene
  const cuckoo = await scene.startCuckoo({ singleThreaded: false, machines: 50 })
  const refused = { kind: 'status', status: 401, times: Number.POSITIVE_INFINITY } as const
  crits.faults.next(refused)
  const samples = []
  for (let i = 0; i < SAMPLES; i += 1) {
    samples.push(await scene.emit({ name: `${i}.exe`, bytes: Buffer.from(`sample ${i}`) }))
  }
  const overseer = await scene.start('overseer')
  const feed = await scene.start('feed_cuckoo', { CuckooURL: cuckoo.url, PrefetchCount: 20, MaxPending: 1000 })
  await scene.start('check_results')
  const parse = await scene.start('parse_and_submit', { CuckooConcurrency: 10 })
  // Everything is refused, in whichever stage it finds out, and more than once.
  const waiting = async () => {
    const depths = [1, 10, 60].map(async seconds => (await broker.depth(`${queues.failed}.delay.${seconds}`)) ?? 0)
    return await Promise.all(depths)
  }
  await waitFor(async () => ((await waiting())[1] ?? 0) >= SAMPLES - 1, {
    deadlineMs: 300_000,
    describe: () => `all to wait for their third try:\n${overseer.tail()}`,
  })
  crits.faults.clear()
  await scene.allAre('completed', samples, 300_000)
  assert.deepEqual(await leftBehind(scene.dumpDir), [])
  for (const service of [feed, parse, overseer]) {
    const errors = service.log.filter(({ level }) => level === 'error')
    assert.ok(errors.length <= 1, `one line per cause, not ${errors.length}: ${errors[0]?.msg} ${errors[1]?.msg}`)
  }
})
