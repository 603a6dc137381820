// A cause that lies in the place: the built services, 60 samples, and a CRITs that refuses their key for a while.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CapeOptions, type CapeStandIn, waitFor } from '@cuckoo-distributed/testing'
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
  const haveFailedTwice = async () => {
    const [, third = 0, fourth = 0] = await waiting()
    return third + fourth >= SAMPLES - 1
  }
  await waitFor(haveFailedTwice, {
    deadlineMs: 300_000,
    describe: () => `all to wait for a third try:\n${overseer.tail()}`,
  })
  crits.faults.clear()
  await scene.allAre('completed', samples, 300_000)
  assert.deepEqual(await leftBehind(scene.dumpDir), [])
  for (const service of [feed, parse, overseer]) {
    const errors = service.log.filter(({ level }) => level === 'error')
    assert.ok(errors.length <= 1, `one line per cause, not ${errors.length}: ${errors[0]?.msg} ${errors[1]?.msg}`)
  }
})

interface Cause {
  readonly code: string
  readonly options?: CapeOptions
  /** What goes wrong once the services have started. */
  readonly arm?: (cape: CapeStandIn) => void
  /** What is to be changed. */
  readonly advice: RegExp
}

const CAUSES: readonly Cause[] = [
  {
    code: 'CUCKOO_TOKEN_REFUSED',
    arm: ({ faults }) => faults.next({ kind: 'status', status: 401, times: Number.POSITIVE_INFINITY }),
    advice: /Cuckoo refuses the token; check "CuckooTokens" and what its user may do/,
  },
  {
    code: 'CUCKOO_ENDPOINT_OFF',
    arm: cape => cape.switch('taskreport', 'off'),
    advice: /set "enabled = yes" under \[taskreport\] in its conf\/api\.conf/,
  },
  {
    code: 'ARCHIVE_PASSWORD',
    options: { zipPassword: 'another', artefacts: () => ({ payloads: [Buffer.from('MZ unpacked')] }) },
    advice: /set "ArchivePassword" to the "zip_pwd" in the \[zipped_download\] section/,
  },
]

for (const { code, options, arm, advice } of CAUSES) {
  test(`${code} is in CRITs' log of an analysis with its dump, and not before`, async t => {
    const scene = await startScene(t)
    const cape = await scene.startCape({ on: ['taskdelete', 'cuckoostatus'], ...options })
    const [, , , patient] = await scene.startAll({
      feed_cuckoo: { CuckooURL: cape.url, Sandbox: 'cape' },
      parse_and_submit: { EnabledParsers: ['info', 'payloads'] },
    })
    arm?.(cape)
    const sample = await scene.emit({ name: 'a.exe', bytes: Buffer.from(`MZ ${code}`) })
    const analysis = scene.crits.analyses.get(sample.analysisId) ?? assert.fail('no analysis')
    const lines = () => analysis.log.map(({ message }) => message).filter(message => advice.test(message))
    assert.equal((await patient.waitForLog('will be tried again')).code, code)
    assert.deepEqual([analysis.status, lines()], ['started', []])
    assert.equal((await patient.stop()).code, 0)
    await scene.start('overseer', { SharedCauseLimit: 0 })
    await scene.allAre('error', [sample])
    const [line = '', ...more] = lines()
    assert.match(line, new RegExp(`^Given up \\(${code} has lasted for SharedCauseLimit, 0 s\\); the overseer keeps`))
    assert.deepEqual(more, [])
  })
}
