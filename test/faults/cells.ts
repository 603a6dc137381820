// Faults at the moments of a message's way: what the pipeline says to the broker, and what it asks of CRITs and Cuckoo.
import { watch } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { type HttpFault, waitFor } from '@cuckoo-distributed/testing'
import { ACTIONS, type ActionName, REACHES_ALL, repair } from './actions.js'
import type { Moment } from './amqp-tap.js'
import { CAPE_FAULTS, ENDPOINTS, type Endpoint, type EndpointName, HTTP_FAULTS, requests, script } from './endpoints.js'
import type { Rig, ServiceName } from './rig.js'
import type { Cell, Run, Strike } from './run-cell.js'
import { failAnalyses, setPace } from './sandbox-cells.js'
import { hurry, runChanged, SHORT_UPLOAD_PAUSE } from './variant.js'

export const MOMENTS: Readonly<Record<Moment, string>> = {
  publish: 'before publish',
  confirm: 'between publish and confirm',
  ack: 'between confirm and ack',
}

/** Work for the overseer: uploads that Cuckoo refuses, once for each of two messages. */
export function failTwice(rig: Rig): void {
  script(rig, ENDPOINTS.upload, { kind: 'status', status: 403 }, 2)
}

/** A fault when a service says this to the broker, or hears it. */
export function atBroker(action: ActionName, service: ServiceName, moment: Moment): Cell {
  return {
    fault: action,
    moment: `${service}, ${MOMENTS[moment]}`,
    // What a consuming connection was to acknowledge is delivered again, though its publish goes through.
    mayDouble: moment !== 'publish' || REACHES_ALL.has(action) || action === 'consuming connection reset',
    async arm(rig) {
      if (service === 'overseer') failTwice(rig)
      const held = rig.taps[service].hold(moment)
      return async () => {
        await held
        // Time for a service that does not wait for what is held to do what it must not do yet.
        await delay(200)
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
    fault: action,
    moment: `${target.service}, ${moment}`,
    mayDouble: target.service === 'parse_and_submit' || REACHES_ALL.has(action),
    async arm(rig, { after }) {
      await letAsk(rig, target, after)
      script(rig, target, { kind: 'slow', milliseconds: 1000 })
      const before = requests(rig, target)
      return async () => {
        await waitFor(() => requests(rig, target) > before, { describe: `a request: ${endpoint}` })
        await ACTIONS[action](rig, target.service)
        repair(rig)
      }
    },
  }
}

/** The task is made, its answer is lost, and then the fault. */
export function afterUpload(action: ActionName): Cell {
  return {
    fault: action,
    moment: 'feed_cuckoo, after upload',
    mayDouble: REACHES_ALL.has(action),
    async arm(rig) {
      script(rig, ENDPOINTS.upload, { kind: 'lostAfterStore' })
      const before = rig.sandbox.submissions.length
      return async () => {
        await waitFor(() => rig.sandbox.submissions.length > before, {
          describe: 'a task',
          everyMs: 1,
        })
        await ACTIONS[action](rig, 'feed_cuckoo')
        repair(rig)
      }
    },
  }
}

export function inRetryDelay(action: ActionName): Cell {
  return {
    fault: action,
    moment: 'overseer, in the retry delay',
    // The line is logged before the publish: its confirm may be lost.
    mayDouble: true,
    async arm(rig) {
      failTwice(rig)
      const before = retries(rig)
      return async () => {
        await waitFor(() => retries(rig) > before, { describe: 'a retry' })
        await ACTIONS[action](rig, 'overseer')
        repair(rig)
      }
    },
  }
}

export function midDump(action: ActionName): Cell {
  return {
    fault: action,
    moment: 'overseer, mid-dump',
    mayDouble: REACHES_ALL.has(action),
    mayDump: true,
    mayRepeat: REACHES_ALL.has(action),
    async arm(rig, { after }) {
      failAnalyses(rig, after)
      const writing = firstFile(rig.dumpDir)
      return async () => {
        await writing
        await ACTIONS[action](rig, 'overseer')
        repair(rig)
      }
    },
  }
}

/** Requests of an endpoint fail twice in this way. */
export function httpFault(fault: string, endpoint: EndpointName): Cell {
  const rule = HTTP_FAULTS[fault] ?? CAPE_FAULTS[fault]
  const target = ENDPOINTS[endpoint]
  if (rule === undefined) throw new RangeError(`no such fault: ${fault}`)
  return {
    fault,
    moment: endpoint,
    row: eachRequest(endpoint),
    mayDouble: endpoint === 'CRITs results' && fault === 'answer lost after storing',
    async arm(rig, { after }) {
      // A single file that fails is tried again after ten minutes.
      if (endpoint === 'CRITs upload') after(await runChanged(rig, 'parse_and_submit', SHORT_UPLOAD_PAUSE))
      // A status is used for five seconds; a new process has none.
      if (endpoint === 'sandbox status') await rig.services.feed_cuckoo.end('SIGTERM')
      await letAsk(rig, target, after)
      return struck(rig, target, rule)
    },
  }
}

/** Two requests of an endpoint are never answered; the service runs with short deadlines. */
export function noAnswer(endpoint: EndpointName): Cell {
  const target = ENDPOINTS[endpoint]
  return {
    fault: 'no answer',
    moment: endpoint,
    row: eachRequest(endpoint),
    async arm(rig, { after }) {
      after(await hurry(rig, target.service))
      await letAsk(rig, target, after)
      return struck(rig, target, { kind: 'hang' })
    },
  }
}

/** Sees to it that the service asks this at all. */
export async function letAsk(rig: Rig, { service, config, analysisMs }: Endpoint, after: Run['after']): Promise<void> {
  if (config !== undefined) after(await rig.services[service].replace({ config }))
  if (analysisMs !== undefined) setPace(rig, analysisMs, after)
}

function eachRequest(endpoint: EndpointName): string {
  return `each request to ${ENDPOINTS[endpoint].server === 'crits' ? 'CRITs' : 'the sandbox'}`
}

/** Scripts a fault for two requests; it is over when it has begun: a usable answer may be the only one that is needed. */
function struck(rig: Rig, target: Endpoint, fault: HttpFault): Strike {
  script(rig, target, fault, 2)
  const { faults } = rig[target.server]
  return async () => {
    await waitFor(() => faults.pending < 2, { describe: 'the fault to strike' })
  }
}

function retries(rig: Rig): number {
  return rig.services.overseer.log.filter(line => line.msg === 'will be tried again').length
}

/** Resolves when a file appears in a directory, work files included. */
async function firstFile(dir: string): Promise<void> {
  for await (const _ of watch(dir)) return
}
