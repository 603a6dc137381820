// The matrix: every fault at every moment at which it means something else.
import { type ActionName, ENDPOINTS, type EndpointName, HTTP_FAULTS } from './actions.js'
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
import { afterUpload, atBroker, duringRequest, httpFault, inRetryDelay, midDump, noAnswer } from './cells.js'
import { ANALYSIS_DELETED, CRITS_SLOW, FILES_REJECTED } from './crits-cells.js'
import {
  analysesFail,
  DATABASE_HICCUPS,
  DISK_FULL,
  HIDDEN_TASK,
  IDS_REUSED,
  NEVER_ENDING,
  NULL_TASK,
  VANISHED_WHILE_WATCHED,
  vanishedBeforeReport,
} from './cuckoo-cells.js'
import { type DumpDirFailure, dumpDirFails } from './dump-dir.js'
import { HALF_BROKEN } from './half-broken-cells.js'
import { QUEUES, SERVICES } from './rig.js'
import type { Cell } from './run-cell.js'
import { serverDown, twoInstances } from './surroundings.js'

const MOMENTS: readonly Moment[] = ['publish', 'confirm', 'ack']
const endpointNames = Object.keys(ENDPOINTS).filter((name): name is EndpointName => name in ENDPOINTS)

/** The whole matrix but the random runs. Without `mounts`, the right to mount, it has no full and no read-only DumpDir. */
export function allCells({ mounts }: { readonly mounts: boolean }): Cell[] {
  const dumpDirFailures: DumpDirFailure[] = mounts ? ['gone', 'full', 'read-only'] : ['gone']
  return [
    ...processesAndConnections(),
    ...brokerCells(),
    ...Object.keys(HTTP_FAULTS).flatMap(fault => endpointNames.map(endpoint => httpFault(fault, endpoint))),
    ...endpointNames.map(noAnswer),
    serverDown('cuckoo'),
    serverDown('crits'),
    ...(['failed_analysis', 'failed_processing', 'failed_reporting'] as const).map(analysesFail),
    VANISHED_WHILE_WATCHED,
    vanishedBeforeReport(false),
    vanishedBeforeReport(true),
    IDS_REUSED,
    NEVER_ENDING,
    NULL_TASK,
    ...DATABASE_HICCUPS,
    HIDDEN_TASK,
    DISK_FULL,
    ANALYSIS_DELETED,
    FILES_REJECTED,
    CRITS_SLOW,
    ...dumpDirFailures.flatMap(failure => [dumpDirFails(failure, 'SIGKILL'), dumpDirFails(failure, 'SIGTERM')]),
    ...SERVICES.map(twoInstances),
    ...HALF_BROKEN,
  ]
}

function processesAndConnections(): Cell[] {
  const actions: ActionName[] = [
    'SIGKILL',
    'SIGTERM',
    'connections reset',
    'connections stalled',
    'broker kill -9',
    'broker stop_app',
  ]
  const parts: ActionName[] = ['publishing connection reset', 'consuming connection reset']
  const clocks: ActionName[] = ['clock 1 h forward', 'clock 1 h back']
  return [
    ...actions.flatMap(action =>
      SERVICES.flatMap(service =>
        // The last stage publishes nothing when all goes well.
        MOMENTS.filter(moment => service !== 'parse_and_submit' || moment === 'ack').map(moment =>
          atBroker(action, service, moment),
        ),
      ),
    ),
    ...actions.flatMap(action => [
      duringRequest(action, 'upload', 'mid-upload'),
      afterUpload(action),
      duringRequest(action, 'task list', 'during the wait'),
      duringRequest(action, 'report', 'mid-report'),
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
    ...clocks.flatMap(action => [
      duringRequest(action, 'upload', 'mid-upload'),
      duringRequest(action, 'task list', 'during the wait'),
      duringRequest(action, 'report', 'mid-report'),
      inRetryDelay(action),
    ]),
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
