// docs/getting-started.md and docs/runbook.md are followed: their code blocks in order and nothing else, up to a first
// sample in CRITs, and from a dump to its resubmission.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type CritsStandIn,
  publishAsCrits,
  runCritsService,
  startCrits,
  startCuckoo,
  startRabbitMq,
  TestBroker,
  waitFor,
} from '@cuckoo-distributed/testing'
import { type Block, blocksOf, Machine } from './newcomer.js'
import { read } from './project.js'

const FEED = 'worker/feed_cuckoo'

test('whoever follows the documentation gets a first sample through, and a dump back to work', async t => {
  const node = await startRabbitMq()
  const broker = await TestBroker.connect(node.url)
  const [crits, cuckoo] = [await startCrits(), await startCuckoo({ analysisTime: 100 })]
  t.after(async () => {
    await broker.close()
    await Promise.all([crits.close(), cuckoo.close()])
    await node.stop()
  })
  const names: Record<string, string> = { 'http://cuckoo.example:8090': cuckoo.url, 'https://crits.example': crits.url }
  // Three minutes of tries are not what is tested.
  const machine = await Machine.make(t, { node, names, changes: { 'overseer.conf.json': { RetryDelays: [] } } })
  const follow = async (block: Block): Promise<string> => {
    const { code, output } = await machine.follow(block)
    // grep ends with 1 when there is nothing to see.
    assert.ok(code === 0 || (code === 1 && / grep /.test(block.text)), `${block.text}ended with ${code}: ${output}`)
    return output
  }

  const start = blocksOf(read('docs/getting-started.md')).filter(({ section }) => !section.startsWith('With Docker'))
  for (const block of start.filter(({ section }) => !section.startsWith('6'))) {
    const output = await follow(block)
    if (block.text.includes('--connect')) assert.doesNotMatch(output, /^failed/m)
    if (block.text.includes('enable --now')) await untilLogged(machine, 'consuming', 4)
    if (block.text.includes('"consuming"')) assert.equal(output.trim().split('\n').length, 4)
  }
  const first = await send(broker, crits, 'first.exe')
  await untilLogged(machine, 'the analysis is complete in CRITs', 1)
  names[' MD5'] = ` ${first.md5}`
  const shown = new Map<string, string>()
  for (const block of start.filter(({ section }) => section.startsWith('6'))) shown.set(block.text, await follow(block))
  assert.match([...shown.values()].join('\n'), /now: complete/)
  assert.equal(crits.analyses.get(first.analysisId)?.status, 'completed')

  cuckoo.faults.next({ kind: 'status', status: 413, match: { method: 'POST', path: '/tasks/create/file' }, times: 99 })
  const second = await send(broker, crits, 'second.exe')
  const isIn = (status: string) => () => crits.analyses.get(second.analysisId)?.status === status
  await waitFor(isIn('error'), { deadlineMs: 60_000, describe: 'the second analysis to be given up' })
  cuckoo.faults.clear()
  const runbook = blocksOf(read('docs/runbook.md')).filter(({ section }) => section !== 'Node red')
  names.CRITS_AUTH = 'CUCKOO_TASK_REFUSED'
  names['9e107d9d372bb6826bd81d3542a419d6'] = second.md5
  for (const block of runbook) {
    const output = await follow(block)
    const [, dump] = /^(\S+\.json)\s/m.exec(output) ?? []
    if (block.text.includes('dumps show')) assert.match(output, /CUCKOO_TASK_REFUSED/)
    if (dump !== undefined) names[' NAME'] = ` ${dump}`
    if (block.text.includes('--dry-run')) {
      assert.match(output, /^1 sent, 0 left$/m)
      await waitFor(isIn('completed'), { deadlineMs: 60_000, describe: 'the second sample to arrive' })
    }
    if (block.text.includes('overseer where')) assert.match(output, /now: complete/)
  }
})

async function send(broker: TestBroker, crits: CritsStandIn, name: string) {
  const running = runCritsService(crits, { name, bytes: Buffer.from(`MZ\x90 ${name}`) })
  await publishAsCrits(broker, FEED, running.body)
  return running
}

async function untilLogged(machine: Machine, message: string, times: number): Promise<void> {
  const describe = () => `"${message}" to be logged ${times} times, not ${machine.logged(message)} times`
  await waitFor(() => machine.logged(message) >= times, { deadlineMs: 60_000, describe })
}
