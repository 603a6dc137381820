// What the pipeline asks of CRITs and of a sandbox of either kind, and the faults of single requests.
import type { FaultMatch, HttpFault } from '@cuckoo-distributed/testing'
import type { Rig, ServiceName } from './rig.js'
import type { SandboxKind } from './sandboxes.js'

export interface Endpoint {
  readonly server: 'sandbox' | 'crits'
  readonly method: string
  readonly path: RegExp | Readonly<Record<SandboxKind, RegExp>>
  /** Whose request it is. */
  readonly service: Exclude<ServiceName, 'overseer'>
  /** What the service must be told for it to ask at all. */
  readonly config?: object
  /** How long analyses must take for it to ask at all, in milliseconds. */
  readonly analysisMs?: number
}

const TABLE = {
  'sandbox status': {
    server: 'sandbox',
    method: 'GET',
    path: { cuckoo: /^\/cuckoo\/status/, cape: /^\/apiv2\/cuckoo\/status\// },
    service: 'feed_cuckoo',
  },
  upload: {
    server: 'sandbox',
    method: 'POST',
    path: { cuckoo: /^\/tasks\/create\/file/, cape: /^\/apiv2\/tasks\/create\/file/ },
    service: 'feed_cuckoo',
  },
  'task list': {
    server: 'sandbox',
    method: 'GET',
    path: { cuckoo: /^\/tasks\/list/, cape: /^\/apiv2\/tasks\/list/ },
    service: 'check_results',
  },
  'task view': {
    server: 'sandbox',
    method: 'GET',
    path: { cuckoo: /^\/tasks\/view/, cape: /^\/apiv2\/tasks\/view/ },
    service: 'check_results',
    analysisMs: 1500,
  },
  report: {
    server: 'sandbox',
    method: 'GET',
    path: {
      cuckoo: /^\/tasks\/report\/\d+\/json$|^\/tasks\/report\/\d+$/,
      cape: /^\/apiv2\/tasks\/get\/report\/\d+\/json\/$/,
    },
    service: 'parse_and_submit',
  },
  'dropped files': {
    server: 'sandbox',
    method: 'GET',
    path: { cuckoo: /^\/tasks\/report\/\d+\/dropped/, cape: /^\/apiv2\/tasks\/get\/report\/\d+\/dropped/ },
    service: 'parse_and_submit',
  },
  deletion: {
    server: 'sandbox',
    method: 'GET',
    path: { cuckoo: /^\/tasks\/delete/, cape: /^\/apiv2\/tasks\/delete\// },
    service: 'parse_and_submit',
    config: { CuckooCleanup: true },
  },
  'CRITs results': { server: 'crits', method: 'POST', path: /^\/api\/v1\/services\//, service: 'parse_and_submit' },
  'CRITs upload': { server: 'crits', method: 'POST', path: /^\/api\/v1\/samples\//, service: 'parse_and_submit' },
} as const satisfies Record<string, Endpoint>

export type EndpointName = keyof typeof TABLE

/** Requests of the pipeline by the name in the table. */
export const ENDPOINTS: Readonly<Record<EndpointName, Endpoint>> = TABLE

const NAMES = Object.keys(TABLE).filter((name): name is EndpointName => name in TABLE)

/** Names of the endpoints of a server. */
export function endpointsOf(server: Endpoint['server']): EndpointName[] {
  return NAMES.filter(name => ENDPOINTS[name].server === server)
}

export function pathOf({ sandbox }: Rig, { path }: Endpoint): RegExp {
  return path instanceof RegExp ? path : path[sandbox.kind]
}

/** Scripts a fault for the next requests of an endpoint. */
export function script(rig: Rig, endpoint: Endpoint, fault: HttpFault, times = 1, nth = 1): void {
  const match: FaultMatch = { method: endpoint.method, path: pathOf(rig, endpoint), nth }
  rig[endpoint.server].faults.next({ ...fault, times, match })
}

/** Requests of an endpoint so far. */
export function requests(rig: Rig, endpoint: Endpoint): number {
  const path = pathOf(rig, endpoint)
  return rig[endpoint.server].journal.filter(entry => entry.method === endpoint.method && path.test(entry.path)).length
}

const ERROR_OBJECT = '{"error": true, "error_value": "database is locked"}'

/** By the name in the table. */
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
  'wrong types': json('{"task_id": "x", "tasks": 5, "task": [], "data": 7, "return_code": {}}'),
  redirect: { kind: 'status', status: 302, headers: { location: 'http://127.0.0.1:9/' } },
}

const HTML = { 'content-type': 'text/html; charset=utf-8' }

/** What only a CAPE answers (`kevoreilly/CAPEv2:web/web/settings.py`, `DEBUG`). */
export const CAPE_FAULTS: Readonly<Record<string, HttpFault>> = {
  '403': { ...json('{"detail": "You do not have permission to perform this action."}'), kind: 'status', status: 403 },
  'DEBUG page': {
    kind: 'status',
    status: 500,
    headers: HTML,
    body: `<!DOCTYPE html><title>OperationalError</title>${'<pre>Traceback</pre>'.repeat(1250)}`,
  },
}

function json(body: string) {
  return { kind: 'status', status: 200, headers: { 'content-type': 'application/json' }, body } as const
}
