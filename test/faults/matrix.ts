// The matrix: every fault at every moment at which it means something else.
import type { ActionName } from './actions.js'
import type { Moment } from './amqp-tap.js'
import {
  alarm,
  consumerTimeout,
  FULL_QUEUE,
  halfOpen,
  OVERSIZE,
  PUBLISHED_TWICE,
  queueRemade,
  queueWithOtherArguments,
} from './broker-cells.js'
import { CAPE_CELLS } from './cape-cells.js'
import { afterUpload, atBroker, duringRequest, httpFault, inRetryDelay, midDump, noAnswer } from './cells.js'
import { ANALYSIS_DELETED, CRITS_SLOW, FILES_REJECTED } from './crits-cells.js'
import { DATABASE_HICCUPS, HIDDEN_TASK, NULL_TASK } from './cuckoo-cells.js'
import { type DumpDirFailure, dumpDirFails } from './dump-dir.js'
import { CAPE_FAULTS, endpointsOf, HTTP_FAULTS } from './endpoints.js'
import { CRITS_HALF_BROKEN, SANDBOX_HALF_BROKEN } from './half-broken-cells.js'
import { QUEUES, SERVICES } from './rig.js'
import type { Cell } from './run-cell.js'
import {
  analysesFail,
  DISK_FULL,
  IDS_REUSED,
  NEVER_ENDING,
  RECOVERED,
  VANISHED_WHILE_WATCHED,
  vanishedBeforeReport,
} from './sandbox-cells.js'
import type { SandboxKind } from './sandboxes.js'
import { serverDown, twoInstances } from './surroundings.js'

const MOMENTS: readonly Moment[] = ['publish', 'confirm', 'ack']
const ACTIONS: readonly ActionName[] = [
  'SIGKILL',
  'SIGTERM',
  'connections reset',
  'connections stalled',
  'broker kill -9',
  'broker stop_app',
]
const CLOCKS: readonly ActionName[] = ['clock 1 h forward', 'clock 1 h back']

/** The whole matrix with a Cuckoo but the random runs. Without `mounts`, the right to mount, it has no full and no read-only DumpDir. */
export function allCells({ mounts }: { readonly mounts: boolean }): Cell[] {
  const dumpDirFailures: DumpDirFailure[] = mounts ? ['gone', 'full', 'read-only'] : ['gone']
  return [
    ...processesAndConnections(),
    ...brokerCells(),
    ...endpointsOf('crits').flatMap(endpoint => [
      ...Object.keys(HTTP_FAULTS).map(fault => httpFault(fault, endpoint)),
      noAnswer(endpoint),
    ]),
    ...sandboxCells('cuckoo'),
    serverDown('crits'),
    ANALYSIS_DELETED,
    FILES_REJECTED,
    CRITS_SLOW,
    ...dumpDirFailures.flatMap(failure => [dumpDirFails(failure, 'SIGKILL'), dumpDirFails(failure, 'SIGTERM')]),
    ...SERVICES.map(twoInstances),
    ...CRITS_HALF_BROKEN,
  ]
}

/** What has to do with the sandbox, with a CAPE in its place. */
export function capeCells(): Cell[] {
  return sandboxCells('cape').map(cell => ({
    ...cell,
    moment: `CAPE: ${cell.moment}`,
    ...(cell.row !== undefined && { row: `CAPE: ${cell.row}` }),
  }))
}

function sandboxCells(kind: SandboxKind): Cell[] {
  const faults = Object.keys(kind === 'cape' ? { ...HTTP_FAULTS, ...CAPE_FAULTS } : HTTP_FAULTS)
  const own = kind === 'cape' ? [analysesFail('banned'), ...CAPE_CELLS] : [NULL_TASK, ...DATABASE_HICCUPS, HIDDEN_TASK]
  return [
    ...ACTIONS.flatMap(action => [
      duringRequest(action, 'upload', 'mid-upload'),
      afterUpload(action),
      duringRequest(action, 'task list', 'during the wait'),
      duringRequest(action, 'task view', 'at a look'),
      duringRequest(action, 'report', 'mid-report'),
      duringRequest(action, 'dropped files', 'mid-archive'),
      duringRequest(action, 'deletion', 'mid-deletion'),
    ]),
    ...CLOCKS.flatMap(action => [
      duringRequest(action, 'upload', 'mid-upload'),
      duringRequest(action, 'task list', 'during the wait'),
      duringRequest(action, 'report', 'mid-report'),
    ]),
    ...endpointsOf('sandbox').flatMap(endpoint => [
      ...faults.map(fault => ({
        ...httpFault(fault, endpoint),
        // CAPE's refusals of an upload are for good (`kevoreilly/CAPEv2:web/apiv2/views.py`, `tasks_create_file`): the dump is the right end.
        mayDump: kind === 'cape' && endpoint === 'upload' && fault === '200 with an error object',
      })),
      noAnswer(endpoint),
    ]),
    serverDown('sandbox'),
    ...(['failed_analysis', 'failed_processing', 'failed_reporting'] as const).map(analysesFail),
    VANISHED_WHILE_WATCHED,
    vanishedBeforeReport(false),
    vanishedBeforeReport(true),
    IDS_REUSED,
    NEVER_ENDING,
    RECOVERED,
    DISK_FULL,
    ...own,
    ...SANDBOX_HALF_BROKEN,
  ]
}

function processesAndConnections(): Cell[] {
  const parts: ActionName[] = ['publishing connection reset', 'consuming connection reset']
  return [
    ...ACTIONS.flatMap(action =>
      SERVICES.flatMap(service =>
        // The last stage publishes nothing when all goes well.
        MOMENTS.filter(moment => service !== 'parse_and_submit' || moment === 'ack').map(moment =>
          atBroker(action, service, moment),
        ),
      ),
    ),
    ...ACTIONS.flatMap(action => [
      duringRequest(action, 'CRITs upload', 'mid CRITs upload'),
      duringRequest(action, 'CRITs results', 'mid CRITs batch'),
      inRetryDelay(action),
      midDump(action),
    ]),
    ...parts.flatMap(action =>
      (['feed_cuckoo', 'check_results', 'overseer'] as const).flatMap(service =>
        (['publish', 'confirm'] as const).map(moment => atBroker(action, service, moment)),
      ),
    ),
    ...CLOCKS.map(inRetryDelay),
  ]
}

function brokerCells(): Cell[] {
  return [
    halfOpen('feed_cuckoo', 'publish'),
    halfOpen('feed_cuckoo', 'confirm'),
    halfOpen('check_results', 'confirm'),
    halfOpen('parse_and_submit', 'ack'),
    halfOpen('overseer', 'confirm'),
    alarm('memory alarm'),
    alarm('disk alarm'),
    ...[QUEUES.feed, QUEUES.check, QUEUES.parse, QUEUES.failed].map(queueRemade),
    // In the first queue the samples would be deleted along with it.
    ...[QUEUES.check, QUEUES.parse, QUEUES.failed].map(queueWithOtherArguments),
    FULL_QUEUE,
    OVERSIZE,
    consumerTimeout('feed_cuckoo', 'upload'),
    consumerTimeout('check_results', 'task list'),
    consumerTimeout('parse_and_submit', 'report'),
    PUBLISHED_TWICE,
  ]
}
