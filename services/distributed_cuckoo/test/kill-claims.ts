/** The built server, killed at the worst moments (SIGKILL), with nodes that go away as well; on whichever database. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { type CuckooStandIn, waitFor } from '@cuckoo-distributed/testing'
import type { MakeUrl } from './contract-scene.js'
import { isEmptied, makeNode } from './dispatch-scene.js'
import { type Front, makeFront } from './front.js'

function asked(node: CuckooStandIn, path: string): boolean {
  return node.journal.some(request => request.path.startsWith(path))
}

export interface Chaos {
  readonly tasks: number
  readonly kills: number
  readonly outages: number
}

/** What a kill at each of the moments that matter leaves. It is the store that decides, whose promises hold on either database. */
export function testMoments(makeUrl: MakeUrl): void {
  const serverWithNode = async (t: TestContext) => {
    const front = await makeServer(t, makeUrl)
    const node = await makeNode(t)
    await front.start()
    await front.addNode('n1', node.url)
    return { front, node }
  }

  describe('after a kill', () => {
    test('before the answer of a node that has stored the task, that is adopted and not sent again', async t => {
      const { front, node } = await serverWithNode(t)
      node.faults.next({ kind: 'lostAfterStore', match: { path: '/tasks/create/file' } })
      const id = await front.submit('MZ')
      await waitFor(() => node.submissions.length === 1, { describe: 'the node to store the task' })
      // The server that is killed cannot find out that the node has it.
      await node.down()
      await front.kill()
      await node.up()
      await front.start()
      await front.reaches(id, 'finished')
      await isEmptied(node)
      assert.equal(node.submissions.length, 1)
    })

    test('before the node has the task, it is sent once', async t => {
      const { front, node } = await serverWithNode(t)
      node.faults.next({ kind: 'hang', match: { path: '/tasks/create/file' } })
      const id = await front.submit('MZ')
      await waitFor(() => asked(node, '/tasks/create/file'), { describe: 'the upload' })
      await front.kill()
      await front.start()
      await front.reaches(id, 'finished')
      await isEmptied(node)
      assert.equal(node.submissions.length, 1)
    })

    test('during the fetching of reports, they are fetched again', async t => {
      const { front, node } = await serverWithNode(t)
      node.faults.next({ kind: 'hang', match: { path: '/tasks/report/1/dropped' } })
      const id = await front.submit('MZ')
      await waitFor(() => asked(node, '/tasks/report/1/dropped'), { describe: 'the download' })
      await front.kill()
      await front.start()
      await front.reaches(id, 'finished')
      await isEmptied(node)
      assert.equal(node.submissions.length, 1)
    })

    test('between the report and the deletion on the node, the report is served and the copy deleted', async t => {
      const { front, node } = await serverWithNode(t)
      node.faults.next({ kind: 'hang', match: { path: '/tasks/delete/1' } })
      const id = await front.submit('MZ')
      await waitFor(() => asked(node, '/tasks/delete/1'), { describe: 'the deletion' })
      await front.kill()
      assert.equal(node.tasks.size, 1)
      await front.start()
      assert.equal((await fetch(`${front.url}/report/${id}`)).status, 200)
      await isEmptied(node)
      assert.equal(node.submissions.length, 1)
    })
  })

  test('SIGTERM in the middle of a transfer ends the server with nothing partial left', async t => {
    const { front, node } = await serverWithNode(t)
    node.faults.next({ kind: 'hang', match: { path: '/tasks/report/1/dropped' } })
    const id = await front.submit('MZ')
    await waitFor(() => asked(node, '/tasks/report/1/dropped'), { describe: 'the download' })
    assert.deepEqual(await front.process.stop(), { code: 0, signal: null })
    await front.start()
    await front.reaches(id, 'finished')
  })
}

async function makeServer(t: TestContext, makeUrl: MakeUrl): Promise<Front> {
  const url = await makeUrl()
  return makeFront(t, url === undefined ? {} : { Database: url })
}

/** Kills and outages at random moments. */
export function testChaos(makeUrl: MakeUrl, { tasks: TASKS, kills: KILLS, outages: OUTAGES }: Chaos): void {
  test(`${TASKS} tasks on three nodes, with kills of the server and outages of nodes, end with each report stored once`, async t => {
    const front = await makeServer(t, makeUrl)
    const nodes = [await makeNode(t), await makeNode(t, { version: '1.3' }), await makeNode(t, { version: '2.0' })]
    await front.start()
    for (const [i, node] of nodes.entries()) await front.addNode(`n${i}`, node.url)
    const chaos = makeChaos(front, nodes, { kills: KILLS, outages: OUTAGES })
    const samples = new Map<number, string>()
    for (let i = 0; i < TASKS; i += 1) samples.set(await submitSurely(front, i), contentOf(i))
    await chaos
    const finished = await waitFor(
      async () => {
        const tasks = await front.tasks('finished=1')
        return tasks.length === TASKS && tasks
      },
      { deadlineMs: 180_000, everyMs: 500, describe: 'all tasks to be finished' },
    )
    assert.deepEqual([...new Set(finished.map(({ status, error }) => `${status} ${error}`))], ['finished null'])
    for (const { id } of finished) {
      const report = await front.storedReport(id)
      assert.equal(
        report.target.file.sha256,
        createHash('sha256')
          .update(samples.get(id) ?? '')
          .digest('hex'),
      )
    }
    for (const node of nodes) await isEmptied(node)
    const analyses = nodes.reduce((sum, node) => sum + node.submissions.length, 0)
    t.diagnostic(`${analyses - TASKS} extra analyses after ${KILLS} kills and ${OUTAGES} outages`)
    // One upload can be in flight on each node when the server is killed, and one when a node goes away.
    assert(analyses <= TASKS + KILLS * nodes.length + OUTAGES, `${analyses} analyses`)
    for (const node of nodes) assert.deepEqual(node.violations, [])
  })
}

/** Kills and outages, one after the other, at random moments. */
async function makeChaos(
  front: Front,
  nodes: readonly CuckooStandIn[],
  { kills, outages }: Pick<Chaos, 'kills' | 'outages'>,
): Promise<void> {
  for (let i = 0; i < kills + outages; i += 1) {
    await pause(300 + Math.random() * 1500)
    if (i % 5 < 2) {
      await front.kill()
      await front.start()
      continue
    }
    const node = nodes[Math.floor(Math.random() * nodes.length)]
    await node?.down()
    await pause(Math.random() * 800)
    await node?.up()
  }
}

function contentOf(i: number): string {
  return `MZ sample number ${i} of the chaos`
}

/** Submits until there is an answer; a task that was accepted without one is found by its `custom`. */
async function submitSurely(front: Front, i: number): Promise<number> {
  const custom = `chaos-${i}`
  let failed = false
  return waitFor(
    async () => {
      try {
        const known = failed ? (await front.tasks()).find(task => task.custom === custom) : undefined
        return known?.id ?? (await front.submit(contentOf(i), { custom }))
      } catch (error: unknown) {
        if (error instanceof assert.AssertionError) throw error
        failed = true
        return undefined
      }
    },
    { describe: `sample ${i} to be accepted` },
  )
}
