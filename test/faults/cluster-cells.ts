// A cluster of which one node is half broken: its work goes elsewhere or comes late, and nobody else's is touched.
import { performance } from 'node:perf_hooks'
import { type CuckooFault, type CuckooStandIn, waitFor } from '@cuckoo-distributed/testing'
import { BROKEN, type Cluster } from './cluster-rig.js'
import type { ClusterCell } from './cluster-run.js'
import { HURRIED_CLUSTER } from './variant.js'

const FOREVER = Number.POSITIVE_INFINITY
/** Submitted when the node is known to be broken: with its share, a node that is idle would get most of them. */
const LATER = 12
/** Seconds between two checks of a node where its trials are counted: so long that other tasks are not taken for trials. */
const SLOW_INTERVAL = 1
const ANALYSIS_MS = 500
/** Uploads of which the answer is lost, all at the same time. */
const LOST = 3

/** The node's JSON reports, or those of tasks with odd numbers, come to nothing. */
const JSON_OF = { all: /^\/tasks\/report\/\d+\/json$/, odd: /^\/tasks\/report\/\d*[13579]\/json$/ }
const UPLOAD = /^\/tasks\/create\/file$/
const HTML = /^\/tasks\/report\/\d+\/html$/

/** Point by point what a node may fail at; made worse on purpose, the service must fail in these. */
export const REPORTS_FAIL = cellOf('every report 500', {
  config: { Interval: SLOW_INTERVAL },
  states: ['quarantined'],
  mayRepeat: true,
  breaks: node => always(node, /^\/tasks\/report\//, { kind: 'status', status: 500 }),
  lasts: quarantined(/json: .*500/, SLOW_INTERVAL),
})
export const JSON_CUT_OFF = cellOf('every second JSON report cut off, beside good ones in HTML', {
  config: { ReportFormats: ['json', 'html'] },
  prepares: givesHtml,
  breaks: node =>
    always(node, JSON_OF.odd, { kind: 'status', status: 200, body: '{"info": {"id": 1}, "behavior": {"p' }),
  lasts: finishedWithoutJson,
})
export const SLOW_UPLOADS = cellOf('it takes a second for each upload', {
  breaks: node => always(node, UPLOAD, { kind: 'slow', milliseconds: 1000 }),
  lasts: collectedBetweenUploads,
})
export const LISTS_EMPTY = emptyLists()

export const CLUSTER_CELLS: readonly ClusterCell[] = [
  REPORTS_FAIL,
  cellOf('every JSON report an HTML page, beside good ones in HTML', {
    config: { ReportFormats: ['json', 'html'], Interval: SLOW_INTERVAL },
    states: ['quarantined'],
    mayRepeat: true,
    prepares: givesHtml,
    breaks: node => always(node, JSON_OF.all, { kind: 'html200' }),
    lasts: quarantined(/json: /, SLOW_INTERVAL),
  }),
  JSON_CUT_OFF,
  cellOf('its reports come with a byte a second', {
    config: { Interval: SLOW_INTERVAL },
    changes: HURRIED_CLUSTER,
    states: ['quarantined'],
    mayRepeat: true,
    breaks: node => always(node, JSON_OF.all, { kind: 'drip', everyMs: 1000 }),
    lasts: quarantined(/json: .*bytes of it came in/, SLOW_INTERVAL),
  }),
  LISTS_EMPTY,
  SLOW_UPLOADS,
]

function cellOf(what: string, cell: Omit<ClusterCell, 'fault' | 'moment'>): ClusterCell {
  return {
    fault: 'half broken',
    moment: `a node of a cluster: ${what}`,
    cuckoo: { analysisTime: ANALYSIS_MS },
    ...cell,
  }
}

function always({ faults }: CuckooStandIn, path: RegExp, fault: CuckooFault): void {
  faults.next({ ...fault, times: FOREVER, match: { path } })
}

function givesHtml(node: CuckooStandIn): void {
  always(node, HTML, { kind: 'status', status: 200, body: '<p>a report</p>' })
}

/** The answers of its first uploads are lost, and then its database fails: it has no tasks, and counts none. */
function emptyLists(): ClusterCell {
  let node: CuckooStandIn | undefined
  // The sandbox asks for the time when it begins with a task, which is within the upload.
  const analysisTime = () => {
    if (node?.submissions.length === LOST) {
      always(node, /^\//, { kind: 'databaseError' })
      node = undefined
    }
    return ANALYSIS_MS
  }
  return cellOf('its answers to uploads are lost, then its database fails', {
    config: { NodeConcurrency: LOST, NodeTimeout: 60 },
    cuckoo: { analysisTime, singleThreaded: false, machines: LOST },
    states: ['unreachable'],
    breaks(broken) {
      node = broken
      broken.faults.next({ kind: 'lostAfterStore', times: LOST, match: { path: UPLOAD } })
    },
    lasts: doubted,
  })
}

/** The node is shown with a status that is not believed, is given no more, and the tasks that it may have stay with it. */
async function doubted(cluster: Cluster): Promise<string[]> {
  await isShown(cluster, 'unreachable', /its status cannot be believed/)
  const { broken } = cluster
  const asked = broken.journal.length
  await cluster.submit(LATER)
  const open = async () => (await cluster.tasks()).filter(({ status }) => status !== 'finished')
  const isOpen = async () => (await open()).length <= LOST && broken.journal.length > asked + 10
  await waitFor(isOpen, { everyMs: 50, describe: 'all other tasks to be finished' })
  const left = (await open()).length
  return [
    ...(left === LOST ? [] : [`${left} tasks wait for the node, which may have ${LOST}`]),
    ...(broken.submissions.length === LOST ? [] : [`the node has got ${broken.submissions.length} tasks`]),
  ]
}

/** The node goes on as it is, and is done with its first tasks before it gets its last. */
async function collectedBetweenUploads(cluster: Cluster): Promise<string[]> {
  const unsaid = await allFinished(cluster)
  const paths = cluster.broken.journal.map(({ path }) => path)
  const lastUpload = paths.findLastIndex(path => UPLOAD.test(path))
  const isCollected = paths.findIndex(path => JSON_OF.all.test(path)) < lastUpload
  return [...unsaid, ...(isCollected ? [] : ['no report of the slow node was fetched between its uploads'])]
}

/**
 * The node is shown in quarantine with this error, is given no more than a task on trial now and then, and others do its work. Its first
 * wait may be over; those that follow are two, four, eight intervals long, less a fifth.
 */
function quarantined(error: RegExp, interval: number): ClusterCell['lasts'] {
  return async cluster => {
    await isShown(cluster, 'quarantined', error)
    const [since, given] = [performance.now(), cluster.broken.submissions.length]
    await cluster.submit(LATER)
    const unsaid = await allFinished(cluster)
    const intervals = (performance.now() - since) / 1000 / interval
    const trials = Math.floor(1 + Math.log2(1 + intervals / 1.6))
    const more = cluster.broken.submissions.length - given
    return [
      ...unsaid,
      ...(more > trials ? [`${more} tasks were given to a node in quarantine, in place of ${trials}`] : []),
    ]
  }
}

/** The tasks end with what there is, say what is missing, and stay on their node. */
async function finishedWithoutJson(cluster: Cluster): Promise<string[]> {
  const unsaid = await allFinished(cluster)
  const { broken, samples } = cluster
  const kept = new Set([...broken.tasks.values()].map(({ sample }) => sample.sha256))
  const problems: string[] = []
  let without = 0
  for (const [id, sha256] of samples) {
    if ((await cluster.flawOf(id)) === undefined) continue
    without += 1
    if (!kept.has(sha256)) problems.push(`the node has no copy of task ${id} any more, which has no JSON report`)
  }
  return [...unsaid, ...problems, ...(without === 0 ? ['no task was finished without a JSON report'] : [])]
}

async function isShown(cluster: Cluster, wanted: string, error: RegExp): Promise<void> {
  await waitFor(
    async () => {
      const shown = await cluster.node(BROKEN)
      return shown.state === wanted && error.test(shown.error ?? '')
    },
    { describe: `the node to be ${wanted} with ${error}` },
  )
}

/** Waits for the end of all tasks; in words, those of which the JSON report is not here although nothing says so. */
async function allFinished(cluster: Cluster): Promise<string[]> {
  const look = async () => (await cluster.tasks()).every(({ status }) => status === 'finished')
  await waitFor(look, { everyMs: 50, describe: 'all tasks to be finished' })
  const problems: string[] = []
  for (const id of cluster.samples.keys()) {
    const flaw = await cluster.flawOf(id)
    const { missing_reports: missing = {} } = await cluster.task(id)
    if (flaw !== undefined && missing.json === undefined)
      problems.push(`nothing says that task ${id} has no JSON: ${flaw}`)
  }
  return problems
}
