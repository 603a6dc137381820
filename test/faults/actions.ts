// What is done to a running pipeline. Each action resolves when it is over and everything has been repaired.
import { setTimeout as delay } from 'node:timers/promises'
import type { CuckooFault, FaultRule, HttpFault } from '@cuckoo-distributed/testing'
import { type Rig, SERVICES, type ServiceName } from './rig.js'

export type ActionName =
  | 'SIGKILL'
  | 'SIGTERM'
  | 'connections reset'
  | 'publishing connection reset'
  | 'consuming connection reset'
  | 'connections stalled'
  | 'broker kill -9'
  | 'broker stop_app'
  | 'memory alarm'
  | 'disk alarm'
  | 'clock 1 h forward'
  | 'clock 1 h back'

export type Action = (rig: Rig, service: ServiceName) => Promise<void>

const HOLD_MS = 1000

async function stall(rig: Rig, service: ServiceName): Promise<void> {
  rig.taps[service].stall()
  await delay(HOLD_MS)
}

async function alarm(rig: Rig, set: readonly string[], clear: readonly string[]): Promise<void> {
  await rig.node.ctl(...set)
  rig.taps.feed_cuckoo.release()
  await delay(HOLD_MS)
  await rig.node.ctl(...clear)
}

/** By the name in the table. */
export const ACTIONS: Readonly<Record<ActionName, Action>> = {
  SIGKILL: (rig, service) => rig.services[service].end('SIGKILL'),
  SIGTERM: (rig, service) => rig.services[service].end('SIGTERM'),
  'connections reset': async (rig, service) => rig.taps[service].cut(),
  'publishing connection reset': async (rig, service) => rig.taps[service].cut('held'),
  'consuming connection reset': async (rig, service) => rig.taps[service].cut('others'),
  'connections stalled': stall,
  'broker kill -9': rig => rig.node.restart(),
  'broker stop_app': async rig => {
    await rig.node.ctl('stop_app')
    await rig.node.ctl('start_app')
  },
  'memory alarm': rig => alarm(rig, ['set_vm_memory_high_watermark', '0'], ['set_vm_memory_high_watermark', '0.4']),
  'disk alarm': rig => alarm(rig, ['set_disk_free_limit', '1000GB'], ['set_disk_free_limit', '10MB']),
  'clock 1 h forward': (rig, service) => rig.services[service].jump('forward'),
  'clock 1 h back': (rig, service) => rig.services[service].jump('back'),
}

/** These reach every service, so that any batch or confirm may be cut. */
export const REACHES_ALL: ReadonlySet<ActionName> = new Set(['broker kill -9', 'broker stop_app'])

const ERROR_OBJECT = '{"error": true, "error_value": "database is locked"}'

/** HTTP faults by the name in the table. */
export const HTTP_FAULTS: Readonly<Record<string, HttpFault>> = {
  'connection refused': { kind: 'refuse' },
  'reset inside the body': { kind: 'resetMidUpload' },
  'answer lost after storing': { kind: 'lostAfterStore' },
  slow: { kind: 'slow', milliseconds: 700 },
  '401': { kind: 'status', status: 401 },
  '404': { kind: 'status', status: 404 },
  '429 with Retry-After': { kind: 'status', status: 429, headers: { 'retry-after': '1' } },
  '500': { kind: 'status', status: 500 },
  '502 HTML': { kind: 'status', status: 502 },
  '200 HTML': { kind: 'html200' },
  '200 with an error object': json(ERROR_OBJECT),
  'JSON cut off': json('{"task_id": 1, "tasks": [{"id'),
  'wrong types': json('{"task_id": "x", "tasks": 5, "task": [], "return_code": {}}'),
  redirect: { kind: 'status', status: 302, headers: { location: 'http://127.0.0.1:9/' } },
}

function json(body: string): HttpFault {
  return { kind: 'status', status: 200, headers: { 'content-type': 'application/json' }, body }
}

export interface Endpoint {
  readonly server: 'cuckoo' | 'crits'
  readonly method: string
  readonly path: RegExp
  /** Whose request it is. */
  readonly service: ServiceName
}

/** Requests of the pipeline by the name in the table. */
export const ENDPOINTS = {
  'Cuckoo status': { server: 'cuckoo', method: 'GET', path: /^\/cuckoo\/status/, service: 'feed_cuckoo' },
  upload: { server: 'cuckoo', method: 'POST', path: /^\/tasks\/create\/file/, service: 'feed_cuckoo' },
  'task list': { server: 'cuckoo', method: 'GET', path: /^\/tasks\/list/, service: 'check_results' },
  report: {
    server: 'cuckoo',
    method: 'GET',
    path: /^\/tasks\/report\/\d+\/json$|^\/tasks\/report\/\d+$/,
    service: 'parse_and_submit',
  },
  'dropped files': {
    server: 'cuckoo',
    method: 'GET',
    path: /^\/tasks\/report\/\d+\/dropped/,
    service: 'parse_and_submit',
  },
  'CRITs results': { server: 'crits', method: 'POST', path: /^\/api\/v1\/services\//, service: 'parse_and_submit' },
  'CRITs upload': { server: 'crits', method: 'POST', path: /^\/api\/v1\/samples\//, service: 'parse_and_submit' },
} as const satisfies Record<string, Endpoint>

export type EndpointName = keyof typeof ENDPOINTS

/** Scripts a fault for the next requests of an endpoint. */
export function script(rig: Rig, { server, method, path }: Endpoint, fault: HttpFault, times = 1, nth = 1): void {
  const rule = { ...fault, times, match: { method, path, nth } }
  if (server === 'crits') rig.crits.faults.next(rule)
  else rig.cuckoo.faults.next(rule satisfies FaultRule<CuckooFault>)
}

/** Requests of an endpoint so far. */
export function requests(rig: Rig, { server, method, path }: Endpoint): number {
  return rig[server].journal.filter(entry => entry.method === method && path.test(entry.path)).length
}

/** Ends every script, trap and stall that was not used up. */
export function repair(rig: Rig): void {
  rig.cuckoo.faults.clear()
  rig.crits.faults.clear()
  for (const name of SERVICES) rig.taps[name].release()
}
