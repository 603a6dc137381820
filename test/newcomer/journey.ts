// docs/getting-started.md and docs/runbook.md are followed: their code blocks in order and nothing else, up to a first
// sample in CRITs, and from a dump to its resubmission.
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import {
  type CritsStandIn,
  type CuckooStandIn,
  publishAsCrits,
  runCritsService,
  startCrits,
  startCuckoo,
  TestBroker,
  waitFor,
} from '@cuckoo-distributed/testing'
import { read } from '../project.js'
import { type Block, blocksOf, type Machine } from './blocks.js'

const FEED = 'worker/feed_cuckoo'

/** CRITs and a sandbox, which the documentation says are there already. */
interface Surroundings {
  readonly crits: CritsStandIn
  readonly cuckoo: CuckooStandIn
  /** What stands in the documentation for their addresses. */
  readonly names: Record<string, string>
}

export async function surroundings(t: TestContext): Promise<Surroundings> {
  const [crits, cuckoo] = [await startCrits(), await startCuckoo({ analysisTime: 100 })]
  t.after(() => Promise.all([crits.close(), cuckoo.close()]))
  return { crits, cuckoo, names: { 'http://cuckoo.example:8090': cuckoo.url, 'https://crits.example': crits.url } }
}

/** Follows both pages on the machine; `brokerUrl` is where CRITs reaches its RabbitMQ once that is set up. */
export async function followDocumentation(machine: Machine, brokerUrl: string, around: Surroundings): Promise<void> {
  const { crits } = around
  const start = blocksOf(read('docs/getting-started.md')).filter(({ section }) => !section.startsWith('With Docker'))
  for (const block of start.filter(({ section }) => !section.startsWith('6'))) {
    const output = await follow(machine, block)
    if (block.text.includes('--connect')) assert.doesNotMatch(output, /^failed/m)
    if (block.text.includes('enable --now')) await untilLogged(machine, 'consuming', 4)
    if (block.text.includes('"consuming"')) assert.equal(output.trim().split('\n').length, 4)
  }
  const broker = await TestBroker.connect(brokerUrl)
  try {
    const first = await send(broker, crits, 'first.exe')
    await untilLogged(machine, 'the analysis is complete in CRITs', 1)
    machine.names[' MD5'] = ` ${first.md5}`
    const shown: string[] = []
    for (const block of start.filter(({ section }) => section.startsWith('6'))) shown.push(await follow(machine, block))
    assert.match(shown.join('\n'), /now: complete/)
    assert.equal(crits.analyses.get(first.analysisId)?.status, 'completed')
    await followRunbook(machine, broker, around)
  } finally {
    await broker.close()
  }
}

/** A sample is given up; why, and its way back to work. */
async function followRunbook(machine: Machine, broker: TestBroker, { crits, cuckoo }: Surroundings): Promise<void> {
  cuckoo.faults.next({ kind: 'status', status: 413, match: { method: 'POST', path: '/tasks/create/file' }, times: 99 })
  const second = await send(broker, crits, 'second.exe')
  const isIn = (status: string) => () => crits.analyses.get(second.analysisId)?.status === status
  await waitFor(isIn('error'), { describe: 'the second analysis to be given up' })
  cuckoo.faults.clear()
  machine.names.CRITS_AUTH = 'CUCKOO_TASK_REFUSED'
  machine.names['9e107d9d372bb6826bd81d3542a419d6'] = second.md5
  for (const block of blocksOf(read('docs/runbook.md')).filter(({ section }) => section !== 'Node red')) {
    const output = await follow(machine, block)
    const [, dump] = /^(\S+\.json)\s/m.exec(output) ?? []
    if (block.text.includes('dumps show')) assert.match(output, /CUCKOO_TASK_REFUSED/)
    if (dump !== undefined) machine.names[' NAME'] = ` ${dump}`
    if (block.text.includes('--dry-run')) {
      assert.match(output, /^1 sent, 0 left$/m)
      await waitFor(isIn('completed'), { describe: 'the second sample to arrive' })
    }
    if (block.text.includes('overseer where')) assert.match(output, /now: complete/)
  }
}

/** What the block printed. It must end well, but for what never ends and for a search that finds nothing. */
async function follow(machine: Machine, block: Block): Promise<string> {
  const { code, output } = await machine.follow(block)
  const isWell = code === 0 || (code === 1 && / grep /.test(block.text)) || (code === 124 && / -f$/m.test(block.text))
  assert.ok(isWell, `${block.text}ended with ${code}: ${output}`)
  return output
}

async function send(broker: TestBroker, crits: CritsStandIn, name: string) {
  const running = runCritsService(crits, { name, bytes: Buffer.from(`MZ\x90 ${name}`) })
  await publishAsCrits(broker, FEED, running.body)
  return running
}

async function untilLogged(machine: Machine, message: string, times: number): Promise<void> {
  let seen = 0
  const isThere = async () => {
    seen = await machine.logged(message)
    return seen >= times
  }
  const describe = () => `"${message}" to be logged ${times} times, not ${seen} times`
  await waitFor(isThere, { everyMs: 100, describe })
}
