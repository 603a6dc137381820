// The matrix: every fault at every moment at which it means something else.
import { rename, rm, watch, writeFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { waitFor } from '@cuckoo-distributed/testing'
import {
  ACTIONS,
  type ActionName,
  ENDPOINTS,
  type EndpointName,
  HTTP_FAULTS,
  REACHES_ALL,
  repair,
  requests,
  script,
} from './actions.js'
import type { Moment } from './amqp-tap.js'
import { QUEUES, type Rig, SERVICES, type ServiceName } from './rig.js'
import type { Cell } from './run-cell.js'

const MOMENTS: Readonly<Record<Moment, string>> = {
  publish: 'before publish',
  confirm: 'between publish and confirm',
  ack: 'between confirm and ack',
}

/** Work for the overseer: uploads that Cuckoo refuses, once for each of two messages. */
function failTwice(rig: Rig): void {
  script(rig, ENDPOINTS.upload, { kind: 'status', status: 403 }, 2)
}

/** A fault when a service says this to the broker, or hears it. */
export function atBroker(action: ActionName, service: ServiceName, moment: Moment): Cell {
  return {
    fault: `${action}: ${service}`,
    moment: MOMENTS[moment],
    mayDouble: moment !== 'publish' || REACHES_ALL.has(action),
    async arm(rig) {
      if (service === 'overseer') failTwice(rig)
      const held = rig.taps[service].hold(moment)
      return async () => {
        await held
        await ACTIONS[action](rig, service)
        repair(rig)
      }
    },
  }
}

/** A fault while a request of a service is being served. */
export function duringRequest(action: ActionName, endpoint: EndpointName, moment: string): Cell {
  const target = ENDPOINTS[endpoint]
  return {
    fault: `${action}: ${target.service}`,
    moment,
    mayDouble: target.service === 'parse_and_submit' || REACHES_ALL.has(action),
    async arm(rig) {
      script(rig, target, { kind: 'slow', milliseconds: 1000 })
      const before = requests(rig, target)
      return async () => {
        await waitFor(() => requests(rig, target) > before, { describe: `a request: ${endpoint}`, deadlineMs: 60_000 })
        await ACTIONS[action](rig, target.service)
        repair(rig)
      }
    },
  }
}

/** The task is made, its answer is lost, and then the fault. */
export function afterUpload(action: ActionName): Cell {
  return {
    fault: `${action}: feed_cuckoo`,
    moment: 'after upload',
    mayDouble: REACHES_ALL.has(action),
    async arm(rig) {
      script(rig, ENDPOINTS.upload, { kind: 'lostAfterStore' })
      const before = rig.cuckoo.submissions.length
      return async () => {
        await waitFor(() => rig.cuckoo.submissions.length > before, { describe: 'a task', everyMs: 1 })
        await ACTIONS[action](rig, 'feed_cuckoo')
        repair(rig)
      }
    },
  }
}

export function inRetryDelay(action: ActionName): Cell {
  return {
    fault: `${action}: overseer`,
    moment: 'in the retry delay',
    mayDouble: REACHES_ALL.has(action),
    async arm(rig) {
      failTwice(rig)
      const before = retries(rig)
      return async () => {
        await waitFor(() => retries(rig) > before, { describe: 'a retry', deadlineMs: 30_000 })
        await ACTIONS[action](rig, 'overseer')
        repair(rig)
      }
    },
  }
}

export function midDump(action: ActionName): Cell {
  return {
    fault: `${action}: overseer`,
    moment: 'mid-dump',
    mayDouble: REACHES_ALL.has(action),
    mayDump: true,
    async arm(rig) {
      const failing = failAnalyses(rig)
      const writing = firstFile(rig.dumpDir)
      return async () => {
        await writing
        await ACTIONS[action](rig, 'overseer')
        await failing.end()
      }
    },
  }
}

/** Requests of an endpoint fail twice in this way. */
export function httpFault(fault: string, endpoint: EndpointName): Cell {
  const rule = HTTP_FAULTS[fault]
  if (rule === undefined) throw new RangeError(`no such fault: ${fault}`)
  return {
    fault,
    moment: endpoint,
    mayDouble: endpoint === 'CRITs results' && fault === 'answer lost after storing',
    async arm(rig) {
      script(rig, ENDPOINTS[endpoint], rule, 2)
      return async () => undefined
    },
  }
}

/** The dump directory is gone, with a file in its place, while messages are to be dumped. */
export const DUMP_DIR_GONE: Cell = {
  fault: 'DumpDir gone',
  moment: 'mid-dump',
  mayDump: true,
  async arm(rig) {
    const failing = failAnalyses(rig)
    await rename(rig.dumpDir, `${rig.dumpDir}.away`)
    await writeFile(rig.dumpDir, 'not a directory')
    return async () => {
      await waitFor(() => logged(rig, 'overseer', /DumpDir cannot be written to/), {
        describe: 'a dump that cannot be written',
        deadlineMs: 60_000,
      })
      await rm(rig.dumpDir)
      await rename(`${rig.dumpDir}.away`, rig.dumpDir)
      await failing.end()
    }
  },
}

export const ANALYSES_FAIL: Cell = {
  fault: 'failed_analysis',
  moment: 'during the wait',
  mayDump: true,
  async arm(rig) {
    const failing = failAnalyses(rig)
    return () => failing.end()
  },
}

export function queueRemade(queue: string): Cell {
  return {
    fault: 'queue deleted and remade',
    moment: queue,
    async arm(rig) {
      await rig.node.ctl('delete_queue', queue)
      return async () => undefined
    },
  }
}

export const FULL_QUEUE: Cell = {
  fault: 'full queue (reject-publish)',
  moment: QUEUES.check,
  mayDump: true,
  async arm(rig) {
    const full = JSON.stringify({ 'max-length': 0, overflow: 'reject-publish' })
    await rig.node.ctl('set_policy', '--apply-to', 'queues', 'full', `^${QUEUES.check}$`, full)
    return async () => {
      await waitFor(() => logged(rig, 'feed_cuckoo', /goes to FailedQueue/), {
        describe: 'a refused message',
        deadlineMs: 30_000,
      })
      await rig.node.ctl('clear_policy', 'full')
    }
  },
}

export function serverDown(server: 'cuckoo' | 'crits'): Cell {
  return {
    fault: `${server} away for 3 s`,
    moment: 'any',
    mayDouble: server === 'crits',
    samples: 8,
    async arm(rig) {
      return async () => {
        await rig[server].down()
        await delay(3000)
        await rig[server].up()
      }
    },
  }
}

/** A second process of a stage consumes the same queue, and one of the two is killed. */
export function twoInstances(service: ServiceName): Cell {
  return {
    fault: 'two instances, one killed',
    moment: service,
    samples: 12,
    mayDouble: true,
    async arm(rig) {
      const twin = await rig.twin(service)
      return async () => {
        await delay(500)
        await twin.end('SIGKILL')
        await delay(500)
        await twin.stop()
      }
    },
  }
}

/** Alarms reach no moment of one service: they hold all publishers. */
export function alarm(action: 'memory alarm' | 'disk alarm'): Cell {
  return {
    fault: action,
    moment: 'any',
    samples: 8,
    async arm(rig) {
      return () => ACTIONS[action](rig, 'feed_cuckoo')
    },
  }
}

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
    alarm('memory alarm'),
    alarm('disk alarm'),
    ...[QUEUES.feed, QUEUES.check, QUEUES.parse, QUEUES.failed].map(queueRemade),
    FULL_QUEUE,
    ...faults.flatMap(fault => endpointNames.map(endpoint => httpFault(fault, endpoint))),
    serverDown('cuckoo'),
    serverDown('crits'),
    ANALYSES_FAIL,
    DUMP_DIR_GONE,
    ...(['feed_cuckoo', 'check_results', 'parse_and_submit', 'overseer'] as const).map(twoInstances),
  ]
}

const endpointNames = Object.keys(ENDPOINTS).filter((name): name is EndpointName => name in ENDPOINTS)

function retries(rig: Rig): number {
  return rig.services.overseer.log.filter(line => line.msg === 'will be tried again').length
}

function logged(rig: Rig, service: ServiceName, pattern: RegExp): boolean {
  return rig.services[service].log.some(line => pattern.test(line.msg))
}

/** Moves every new task to `failed_analysis` until `end`, or until no task is left to fail. */
function failAnalyses(rig: Rig): { end(): Promise<void> } {
  const from = rig.cuckoo.submissions.length
  const stop = new AbortController()
  const failing = waitFor(
    () => {
      for (const task of rig.cuckoo.submissions.slice(from)) {
        if (task.status === 'pending' || task.status === 'running') rig.cuckoo.move(task.id, 'failed_analysis')
      }
      return stop.signal.aborted
    },
    { everyMs: 5, deadlineMs: 120_000, describe: 'the end of the run' },
  )
  return {
    async end() {
      await delay(3000)
      stop.abort()
      await failing
    },
  }
}

/** Resolves when a file appears in a directory, work files included. */
async function firstFile(dir: string): Promise<void> {
  for await (const _ of watch(dir)) return
}
