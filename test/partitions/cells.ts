// Ways in which a cluster of three comes to pieces. Hosts 0 to 2 are its nodes, host 3 is that of the services.
import { setTimeout as delay } from 'node:timers/promises'
import { type RunningAnalysis, TestBroker, waitFor } from '@cuckoo-distributed/testing'
import { type Rig, SERVICES } from '../faults/rig.js'
import type { Cell } from '../faults/run-cell.js'
import { allCompleted } from '../faults/verdict.js'
import type { Network } from './network.js'

const SERVICES_HOST = 3
const CUT_MS = 20_000
const STORM_MS = 100_000
const STORM_SAMPLES = 100
/** What a service may take to end: the drain time of the rig and a moment, or a moment alone. */
const DRAINED_MS = 12_000
const EMPTY_HANDED_MS = 5_000
/** Analyses end throughout the cut. */
const PACE = { samples: 40, analysisMs: 2000 }
const ROWS_MAX = 1.1

/** Rows in CRITs by the rows that there should be, by the moment of a cell. */
export type Ratios = Map<string, number>

type Break = (network: Network, rig: Rig, samples: readonly RunningAnalysis[]) => Promise<void>

export function partitionCells(network: Network, ratios: Ratios): Cell[] {
  const cell = (moment: string, breaks: Break) => partitionCell(network, ratios, moment, breaks)
  return [
    cell('first node cut from its peers', async net => {
      await net.cut(0, [1, 2])
      await delay(CUT_MS)
    }),
    cell('first node cut from everything', async net => {
      await net.cut(0, [1, 2, SERVICES_HOST])
      await delay(CUT_MS)
    }),
    cell('one way, from the first node to its peers', async net => {
      await Promise.all([net.cutOneWay(0, 1), net.cutOneWay(0, 2)])
      await delay(CUT_MS)
    }),
    cell('one way, from the services to the first node', async net => {
      await net.cutOneWay(SERVICES_HOST, 0)
      await delay(CUT_MS)
    }),
    cell('one way, from the first node to the services', async net => {
      await net.cutOneWay(0, SERVICES_HOST)
      await delay(CUT_MS)
    }),
    cell('leader of most queues cut from everything', async (net, rig) => {
      const leader = await leadingNode(rig)
      await net.cut(
        leader,
        [0, 1, 2, SERVICES_HOST].filter(other => other !== leader),
      )
      await delay(CUT_MS)
    }),
    cell('flapping', async net => {
      for (let round = 0; round < 5; round += 1) {
        await net.cut(0, [1, 2, SERVICES_HOST])
        await delay(3000)
        await net.heal()
        await delay(3000)
      }
    }),
    cell('services killed during the cut', async (net, rig) => {
      await net.cut(0, [1, 2])
      for (const name of SERVICES) {
        await delay(3000)
        await rig.services[name].end('SIGKILL')
      }
      await delay(6000)
    }),
    cell('services stopped during the cut', async (net, rig) => {
      await net.cut(0, [1, 2])
      await delay(5000)
      for (const name of SERVICES) await rig.services[name].endWell(DRAINED_MS)
      await delay(6000)
    }),
    cell('second node killed while the third is cut', async (net, rig) => {
      await net.cut(2, [0, 1, SERVICES_HOST])
      await delay(6000)
      const second = rig.nodes[1]
      await second?.kill()
      await delay(8000)
      await net.heal()
      await second?.start()
    }),
  ]
}

/**
 * With three instances of each stage, and a cluster that ignores partitions: a broker then buffers every copy that is
 * published to it again, and delivers all of them when it is whole.
 */
export function storm(network: Network, ratios: Ratios): Cell {
  const cell = partitionCell(
    network,
    ratios,
    'storm: partitions ignored, three instances of each stage',
    async (net, rig, samples) => {
      // The analyses are to end during the cut, so all are submitted and passed on before.
      const isSubmitted = () =>
        samples.every(({ analysisId }) => rig.sandbox.submissions.some(({ custom }) => custom === analysisId))
      await waitFor(isSubmitted, { deadlineMs: 60_000, describe: 'all samples to be submitted' })
      await net.cut(0, [1, 2])
      await delay(STORM_MS / 2)
      // It has nothing in hand, and a broker that answers nothing.
      await rig.services.overseer.endWell(EMPTY_HANDED_MS)
      await delay(STORM_MS / 2)
    },
  )
  return {
    ...cell,
    samples: STORM_SAMPLES,
    async arm(rig, run) {
      for (const name of SERVICES) {
        for (let more = 0; more < 2; more += 1) {
          const twin = await rig.twin(name)
          run.after(() => twin.stop())
        }
      }
      const strike = await cell.arm(rig, run)
      return async samples => {
        await strike(samples)
        await allCompleted(rig.crits, samples, 120_000)
        // What such a node has given to consumers before the cut it believes to be with them until it is restarted.
        await rig.nodes[0]?.restart()
      }
    },
  }
}

function partitionCell(network: Network, ratios: Ratios, moment: string, breaks: Break): Cell {
  return {
    fault: 'cluster in pieces',
    moment,
    samples: PACE.samples,
    mayDouble: true,
    deadlineMs: 240_000,
    async arm(rig, { after }) {
      // A node that was in the minority takes a while to come back.
      for (const { url } of rig.nodes)
        await waitFor(() => isUp(url), { deadlineMs: 90_000, describe: `a broker at ${url}` })
      const { analysisMs } = rig.pace
      rig.pace.analysisMs = PACE.analysisMs
      after(() => {
        rig.pace.analysisMs = analysisMs
      })
      return async samples => {
        await delay(2000)
        try {
          await breaks(network, rig, samples)
        } finally {
          await network.heal()
        }
      }
    },
    async unmet(rig, samples) {
      const ratio = rowRatio(rig, samples)
      ratios.set(moment, ratio)
      return ratio <= ROWS_MAX ? [] : [`${ratio.toFixed(2)} times the rows`]
    },
  }
}

async function isUp(url: string): Promise<boolean> {
  try {
    const broker = await TestBroker.connect(url)
    await broker.close()
    return true
  } catch {
    return false // refused, or it does not answer yet
  }
}

function rowRatio(rig: Rig, samples: readonly RunningAnalysis[]): number {
  const rows = samples.reduce(
    (sum, { analysisId }) => sum + (rig.crits.analyses.get(analysisId)?.results.length ?? 0),
    0,
  )
  const doubled = samples.reduce((sum, { analysisId }) => sum + rig.crits.duplicateResults(analysisId).length, 0)
  return rows / (rows - doubled)
}

/** The node that leads most queues. */
async function leadingNode(rig: Rig): Promise<number> {
  const queues: unknown = JSON.parse(await rig.node.ctl('list_queues', 'name', 'leader', '--formatter', 'json'))
  const leaders = Array.isArray(queues) ? queues.map(queue => String(Object(queue).leader)) : []
  const led = rig.nodes.map(({ url }) => leaders.filter(leader => leader.endsWith(`@${new URL(url).hostname}`)).length)
  return led.indexOf(Math.max(...led))
}
