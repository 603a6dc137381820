// What only a CAPE does: endpoints that are switched off, throttling, tokens, tasks that the API starts again.
import { setTimeout as delay } from 'node:timers/promises'
import { type CapeSection, type CapeStandIn, type HttpFault, waitFor } from '@cuckoo-distributed/testing'
import { letAsk } from './cells.js'
import { ENDPOINTS, type Endpoint, type EndpointName, requests, script } from './endpoints.js'
import { oneWaitsForItsCause } from './half-broken-cells.js'
import type { Rig } from './rig.js'
import type { Cell } from './run-cell.js'
import { setPace, tasksOf } from './sandbox-cells.js'

const SEARCH = {
  server: 'sandbox',
  method: 'GET',
  path: /^\/apiv2\/tasks\/search\//,
  service: 'feed_cuckoo',
} as const satisfies Endpoint

const SECTIONS: readonly (readonly [CapeSection, EndpointName])[] = [
  ['cuckoostatus', 'sandbox status'],
  ['filecreate', 'upload'],
  ['tasklist', 'task list'],
  ['taskview', 'task view'],
  ['taskreport', 'report'],
  ['taskdelete', 'deletion'],
]

/** An administrator switches an endpoint off for a second. */
function switchedOff([section, endpoint]: (typeof SECTIONS)[number]): Cell {
  const target = ENDPOINTS[endpoint]
  return {
    fault: 'endpoint switched off',
    moment: endpoint,
    row: 'each of six sections',
    async arm(rig, { after }) {
      const cape = capeOf(rig)
      // A service does without it for an hour.
      after(() => rig.services[target.service].end('SIGTERM'))
      after(() => cape.switch(section, 'on'))
      cape.switch(section, 'off')
      if (endpoint === 'sandbox status') await rig.services.feed_cuckoo.end('SIGTERM')
      await letAsk(rig, target, after)
      const before = requests(rig, target)
      return async () => {
        await waitFor(() => requests(rig, target) > before, { describe: `a request: ${endpoint}` })
        await delay(1000)
        cape.switch(section, 'on')
      }
    },
  }
}

/** The answer to an upload is lost, and the search that would show its task is off: lists show it. */
const SEARCH_OFF: Cell = {
  fault: 'endpoint switched off',
  moment: 'search, after an upload without an answer',
  async arm(rig, { after }) {
    const cape = capeOf(rig)
    after(() => rig.services.feed_cuckoo.end('SIGTERM'))
    after(() => cape.switch('tasksearch', 'on'))
    cape.switch('tasksearch', 'off')
    script(rig, ENDPOINTS.upload, { kind: 'lostAfterStore' })
    const before = requests(rig, SEARCH)
    return async () => {
      await waitFor(() => requests(rig, SEARCH) > before, { describe: 'a search' })
    }
  },
}

/**
 * The answer to an upload is lost, and so are those of the search for its task. Two of them, as of every HTTP fault: each may cost the same
 * message a try, of which it has four, and then the dump is right.
 */
function searchFails(moment: string, fault: HttpFault): Cell {
  return {
    fault: 'search fails after an upload without an answer',
    moment,
    async arm(rig) {
      script(rig, ENDPOINTS.upload, { kind: 'lostAfterStore' })
      script(rig, SEARCH, fault, 2)
      const { faults } = rig.sandbox
      return async () => {
        await waitFor(() => faults.pending === 0, { describe: 'the searches' })
      }
    },
  }
}

/** `report.json` is served as it is, with a fitting length. */
function reportOnDisk(what: string, body: string): Cell {
  const headers = {
    'content-type': 'application/json; charset=UTF-8',
    'content-disposition': 'attachment; filename=1_report.json',
  }
  return {
    fault: `report.json ${what}`,
    moment: 'report',
    async arm(rig) {
      script(rig, ENDPOINTS.report, { kind: 'status', status: 200, headers, body }, 2)
      const { faults } = rig.sandbox
      return async () => {
        await waitFor(() => faults.pending < 2, { describe: 'the fault to strike' })
      }
    },
  }
}

/** Six requests a second for all services together, of which one alone would make more. */
const THROTTLED: Cell = {
  fault: 'throttled',
  moment: 'every request',
  samples: 6,
  deadlineMs: 180_000,
  async arm(rig, { after }) {
    after(() => {
      rig.pace.rate = null
    })
    rig.pace.rate = 6
    const { faults, journal } = rig.sandbox
    // On a slow machine they would not be too fast for it.
    faults.next({ kind: 'status', status: 429, headers: { 'retry-after': '1' }, times: 4 })
    const before = journal.length
    return async () => {
      const refused = () => journal.slice(before).filter(({ status }) => status === 429).length
      await waitFor(() => refused() > 3, { describe: 'requests to be refused', deadlineMs: 120_000 })
    }
  },
}

/** The key is renewed after a while: no message is to blame. */
const TOKEN_REFUSED: Cell = {
  fault: 'token refused',
  moment: 'every request',
  samples: 8,
  deadlineMs: 150_000,
  async arm(rig) {
    const body = '{"detail": "API key has been revoked."}'
    const headers = { 'content-type': 'application/json', 'www-authenticate': 'Token' }
    rig.sandbox.faults.next({ kind: 'status', status: 401, headers, body, times: Number.POSITIVE_INFINITY })
    const waits = oneWaitsForItsCause(rig)
    return async () => {
      await waits()
      await delay(2000)
      rig.sandbox.faults.clear()
    }
  },
}

/** Somebody starts the tasks again by the API, which notes the number of the new one in `custom` of the old. */
const RESCHEDULED: Cell = {
  fault: 'tasks recovered',
  moment: 'by the API, during the wait',
  async arm(rig, { after }) {
    const cape = capeOf(rig)
    setPace(rig, Number.POSITIVE_INFINITY, after)
    return async samples => {
      const tasks = await tasksOf(rig, samples)
      rig.pace.analysisMs = 100
      for (const { id } of tasks) cape.rescheduleByApi(id)
    }
  },
}

export const CAPE_CELLS: readonly Cell[] = [
  ...SECTIONS.map(switchedOff),
  SEARCH_OFF,
  searchFails('500', { kind: 'status', status: 500 }),
  searchFails('reset', { kind: 'refuse' }),
  reportOnDisk('empty', ''),
  reportOnDisk('cut off', '{"info": {"id": 1}, "behavior": {"p'),
  THROTTLED,
  TOKEN_REFUSED,
  RESCHEDULED,
]

function capeOf({ sandbox }: Rig): CapeStandIn {
  if (sandbox.kind === 'cape') return sandbox
  throw new RangeError('this is a fault of CAPE')
}
