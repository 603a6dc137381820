// Sandboxes of every kind behind one check_results and one parse_and_submit, and every sample once in each of them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { publishAsCrits, runCritsService, testQueues } from '@cuckoo-distributed/testing'
import { startCluster } from './cluster.js'
import { assertAnalysedOnce, assertCleanEnd, assertResults } from './expectations.js'
import { type Emitted, type Scene, startScene } from './scene.js'

const SAMPLES = 15
const KEY = 'aPrivateKeyOfTheFeeder'
const TOKEN = 'a-token-of-cuckoo'
/** CAPE allows 40 requests in ten seconds, half of what the three services allow themselves: with what they repeat, none has to wait for its next minute. */
const CAPE = {
  on: ['cuckoostatus', 'taskdelete'],
  users: [{ name: 'feeder', keys: [KEY], rate: 40 }],
  rateWindow: 10_000,
} as const

function samples() {
  return Array.from({ length: SAMPLES }, (_, number) => ({
    name: `sample-${number}.exe`,
    bytes: Buffer.from(`MZ\x90 sample number ${number} C:\\Temp\\drop${number}.dll`),
  }))
}

async function emitTo(scene: Scene, queue: string): Promise<Emitted[]> {
  const emitted: Emitted[] = []
  for (const sample of samples()) {
    const running = runCritsService(scene.crits, sample)
    await publishAsCrits(scene.broker, queue, running.body)
    emitted.push({ ...sample, ...running })
  }
  return emitted
}

/** What differs from run to run of one sample. */
const OF_THE_RUN = ['started', 'ended', 'first_seen', 'analysis_id']

/** The rows of an analysis; of calls, which 2.0 tells in other words, their names only. */
function rowsOf({ crits }: Scene, { analysisId }: Emitted) {
  const rows = crits.analyses.get(analysisId)?.results ?? []
  return rows.map(row => {
    if (row.subtype === 'api_call') return [row.subtype, row.result]
    return Object.fromEntries(Object.entries(row).filter(([key]) => !OF_THE_RUN.includes(key)))
  })
}

test('60 samples over a Cuckoo 1.2, a 2.0 with a token, a throttled CAPE with a token and a cluster of all three kinds: each is analysed once, equal samples have equal rows', async t => {
  const scene = await startScene(t)
  const feeds = await testQueues(t, scene.broker, 'old', 'new', 'cape', 'cluster')
  const old = await scene.startCuckoo()
  const recent = await scene.startCuckoo({ version: '2.0', apiToken: TOKEN })
  const cape = await scene.startCape(CAPE)
  const member = await scene.startCape({ ...CAPE, on: [...CAPE.on, 'machinelist'] })
  const nodes = [await scene.startCuckoo(), await scene.startCuckoo({ version: '2.0' }), member]
  const cluster = await startCluster(t, nodes, { NodeTokens: { [member.url]: KEY }, RequestsPerMinute: 'staff' })
  // On a slow machine they would not be too fast for it.
  for (const { faults } of [cape, member]) {
    faults.next({ kind: 'status', status: 429, headers: { 'retry-after': '1' }, match: { path: /report/, nth: 3 } })
  }
  const keys = { CuckooTokens: { [cape.url]: KEY, [recent.url]: TOKEN }, RequestsPerMinute: 160 }
  const feed = (queue: string, { url }: { readonly url: string }) =>
    scene.start('feed_cuckoo', { ...keys, ConsumerQueue: queue, CuckooURL: url })
  const services = await Promise.all([
    feed(feeds.old, old),
    feed(feeds.new, recent),
    feed(feeds.cape, cape),
    feed(feeds.cluster, cluster),
    scene.start('check_results', keys),
    scene.start('parse_and_submit', keys),
    scene.start('overseer'),
  ])
  const fleet: Emitted[][] = []
  for (const queue of Object.values(feeds)) fleet.push(await emitTo(scene, queue))
  const all = fleet.flat()
  await scene.allAre('completed', all, 240_000)
  for (const [index, sandboxes] of [[old], [recent], [cape], nodes].entries()) {
    assertAnalysedOnce(fleet[index] ?? [], ...sandboxes)
  }
  for (const each of all) assertResults(scene, each)
  for (const same of samples().map((_, number) => fleet.map(emitted => emitted[number]))) {
    const [first, ...others] = same.map(each => each && rowsOf(scene, each))
    for (const rows of others) assert.deepEqual(rows, first)
  }
  for (const node of nodes) assert.ok(node.submissions.length > 0, 'every node had work')
  for (const { journal } of [cape, member])
    assert.ok(
      journal.some(({ status }) => status === 429),
      'it has throttled',
    )
  await assertCleanEnd(scene, services, old, recent, cape, ...nodes)
  for (const queue of Object.values(feeds)) assert.equal(await scene.broker.depth(queue), 0)
  for (const { output } of services) assert.ok(!/aPrivateKey|a-token/.test(output.join('\n')))
  assert.deepEqual(await cluster.process.stop(), { code: 0, signal: null })
})
