// The matrix: every fault at every moment at which it means something else.
import { type ActionName, ENDPOINTS, type EndpointName, HTTP_FAULTS } from './actions.js'
import type { Moment } from './amqp-tap.js'
import { afterUpload, atBroker, duringRequest, httpFault, inRetryDelay, midDump } from './cells.js'
import { QUEUES, SERVICES } from './rig.js'
import type { Cell } from './run-cell.js'
import { ANALYSES_FAIL, alarm, dumpDirGone, FULL_QUEUE, queueRemade, serverDown, twoInstances } from './surroundings.js'

const endpointNames = Object.keys(ENDPOINTS).filter((name): name is EndpointName => name in ENDPOINTS)

/** The whole matrix but the random runs. */
export function allCells(): Cell[] {
  const actions: ActionName[] = [
    'SIGKILL',
    'SIGTERM',
    'connections reset',
    'connections stalled',
    'broker kill -9',
    'broker stop_app',
  ]
  const moments: Moment[] = ['publish', 'confirm', 'ack']
  const faults = Object.keys(HTTP_FAULTS)
  return [
    ...actions.flatMap(action =>
      SERVICES.flatMap(service =>
        moments.flatMap(moment =>
          // The last stage publishes nothing when all goes well.
          service === 'parse_and_submit' && moment !== 'ack' ? [] : [atBroker(action, service, moment)],
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
    ...(['feed_cuckoo', 'check_results', 'overseer'] as const).flatMap(service =>
      (['publish', 'confirm'] as const).map(moment => atBroker('publishing connection reset', service, moment)),
    ),
    alarm('memory alarm'),
    alarm('disk alarm'),
    ...[QUEUES.feed, QUEUES.check, QUEUES.parse, QUEUES.failed].map(queueRemade),
    FULL_QUEUE,
    ...faults.flatMap(fault => endpointNames.map(endpoint => httpFault(fault, endpoint))),
    serverDown('cuckoo'),
    serverDown('crits'),
    ANALYSES_FAIL,
    dumpDirGone('SIGKILL'),
    dumpDirGone('SIGTERM'),
    ...SERVICES.map(twoInstances),
  ]
}
