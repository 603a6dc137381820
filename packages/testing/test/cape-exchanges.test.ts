/** Replays what a genuine CAPE 2.5 answered (`kevoreilly/CAPEv2` of 2026-08) against the stand-in: statuses, headers, texts, shapes. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import test, { type TestContext } from 'node:test'
import { zip } from '../src/archive/zip.js'
import { type CapeOptions, type CapeStandIn, startCape } from '../src/cape/index.js'
import { send } from './cuckoo-client.js'

type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

interface Exchange {
  readonly name: string
  readonly server: keyof typeof SERVERS
  readonly method: string
  readonly path: string
  readonly headers?: Record<string, string>
  readonly fields?: Record<string, string>
  readonly files?: readonly (readonly [content: string, name: string, field?: string])[]
  readonly data?: string
  readonly status: number
  readonly answer: Record<string, string>
  /** CAPE's own headers are missing. */
  readonly unnamed?: boolean
  readonly body?: Json
  /** Of a body that was too long to keep. */
  readonly firstRow?: Json
}

const FEEDER = 'key-of-user-feeder-0000000000000000000000001'
const LEGACY = '0123456789abcdef0123456789abcdef0000000'
const USERS = [
  { name: 'feeder', keys: [FEEDER, `${LEGACY}1`], revoked: ['key-of-user-feeder-revoked-00000000000000001'] },
  { name: 'burst', keys: ['key-of-user-burst-00000000000000000000000001', `${LEGACY}2`], rate: null },
  { name: 'staff', keys: [`${LEGACY}3`], staff: true },
]
const OPEN = ['cuckoostatus', 'taskdelete', 'machinelist', 'procdumpfiles'] as const
const MACHINE_TAGS = [['win10', 'x64'], ['win7', 'x86', 'office'], ['ubuntu']]

/** How the five servers were set up. No machine takes a task: the script below moves them. */
const SERVERS = {
  default: {},
  open: { on: OPEN, machineTags: MACHINE_TAGS, liteReport: true, report: reportOf, artefacts: artefactsOf },
  token: { on: ['cuckoostatus', 'machinelist'], users: USERS },
  postgres: { on: OPEN, server: 'production' },
  shared: {
    on: OPEN,
    users: USERS,
    rateLimit: false,
    tenancy: 'shared',
    reportsForAll: false,
    unique: true,
    multifile: true,
  },
  locked: { on: OPEN, users: USERS, rateLimit: false, tenancy: 'locked' },
} as const satisfies Record<string, CapeOptions>

/** What happened on the server before an exchange, beside what the exchanges did. */
const BEFORE: Readonly<Record<string, (cape: CapeStandIn) => unknown>> = {
  '110-status-running': cape => cape.move(2, 'running'),
  '117-status-completed': cape => cape.move(4, 'completed'),
  '120-status-reported': cape => {
    for (const id of [3, 6]) cape.move(id, 'reported')
  },
  '165-dropped-empty-dir': () => {
    isEmptied = true
  },
  '169-status-failed_analysis': cape => {
    cape.move(7, 'failed_analysis', 'Failed to run the reporting module: Example')
    cape.move(8, 'failed_processing', 'Failed to run the reporting module: Example')
    cape.move(9, 'failed_reporting', 'Failed to run the reporting module: Example')
  },
  '189-status-recovered': cape => {
    cape.move(10, 'recovered')
    Object.assign(cape.tasks.get(10) ?? {}, { custom: 'Recovery_3' })
    cape.move(11, 'recovered')
    cape.move(12, 'banned')
    cape.move(13, 'distributed')
    for (const id of [14, 15, 16, 17, 18]) cape.move(id, 'reported')
    cape.lose(14)
  },
  '204-report-tlp-red': cape => cape.mark(18, 'red'),
  '206-view-url-reported': cape => cape.move(35, 'reported'),
  '266-report-after-reprocess': cape => cape.move(6, 'completed'),
  '265-status-after-reprocess': cape => cape.move(6, 'completed'),
  '269-status-rescheduled-old': cape => {
    cape.rescheduleByApi(9)
  },
  '353-pg-list-order': cape => {
    cape.move(2, 'completed')
    cape.move(3, 'reported')
  },
  '409-ratelimit-off-0': cape => cape.move(1, 'reported'),
  '416-locked-create': async cape => {
    const earlier = EXCHANGES.find(({ name }) => name === '392-mt-create') ?? assert.fail()
    const { headers, body } = formOf(earlier) ?? assert.fail()
    const options = { method: 'POST', headers: { ...headers, ...earlier.headers }, body }
    for (let id = 1; id <= 5; id += 1) await send(`${cape.url}/tasks/create/file/`, options)
  },
}

/** The folders of task 6 are there, and nothing is in them. */
let isEmptied = false

function reportOf({ id }: { readonly id: number }): string | null {
  if (id === 16) return ''
  if (id === 15) return null
  return id === 17 ? '{"info": {"id": 17}, "behav' : `{"info": {"id": ${id}}, "behavior": {"processes": []}}`
}

function artefactsOf({ id }: { readonly id: number }) {
  const content = Buffer.from('MZ')
  if (id === 6 && isEmptied) return { dropped: [], payloads: [], procdump: [] }
  if (id !== 3) return {}
  return { dropped: [{ name: 'a', content }], payloads: [content], procdump: [content], pcap: content }
}

/** The files that were sent. What was in them does not matter, but for how CAPE tells them apart. */
function contentOf(name: string): Buffer {
  if (name === 'empty.bin') return Buffer.alloc(0)
  if (name === 'big.bin') return Buffer.alloc(30_500_000)
  if (name === 'two.zip') return zip(['one.exe', 'two.exe'].map(member => ({ name: member, content: pe(member) })))
  if (name === 'one.zip') return zip([{ name: 'inner.exe', content: pe('inner.exe') }])
  if (name === 'txt.zip') return zip([{ name: 'note.txt', content: Buffer.from('note') }])
  return name.endsWith('.exe') ? pe(name) : Buffer.from(name)
}

function pe(name: string): Buffer {
  return Buffer.from(`MZ ${name}`)
}

/** Hashes that were searched for, by the start of the recorded one. */
const SEARCHED: readonly (readonly [start: RegExp, file: string])[] = [
  [/^(f110f68a|3e8e5a36|2df44e13)/i, 'a.exe'],
  [/^5c923da1/, 'two.zip'],
  [/^945f2401/, 'e.exe'],
  [/^abf5d28c/, 'c.exe'],
  [/^308bf784/, 'one.zip'],
  [/^d104d97d/, 'f.exe'],
]

/** What came out of encrypted archives, no machines, a machine of another platform: not of the stand-in. */
const LEFT_OUT = /^(372|376|047|063)-/

const EXCHANGES = readFileSync(new URL('../../fixtures/cape-exchanges.ndjson', import.meta.url), 'utf8')
  .split('\n')
  .filter(line => line !== '')
  .map((line): Exchange => JSON.parse(line))

test('the stand-in answers as a genuine CAPE did', async t => {
  const servers = new Map<string, CapeStandIn>()
  for (const [name, options] of Object.entries(SERVERS)) servers.set(name, await start(t, options))
  for (const exchange of EXCHANGES.filter(({ name }) => !LEFT_OUT.test(name))) {
    const cape = servers.get(exchange.server) ?? assert.fail(exchange.server)
    await BEFORE[exchange.name]?.(cape)
    await t.test(exchange.name, () => replay(cape, exchange))
  }
})

const ENDLESS = { analysisTime: Number.POSITIVE_INFINITY, processingTime: Number.POSITIVE_INFINITY }

async function start(t: TestContext, options: CapeOptions): Promise<CapeStandIn> {
  const machines = 'machineTags' in options ? 3 : 0
  const cape = await startCape({ machines, idle: true, ...ENDLESS, ...options })
  t.after(() => cape.close())
  return cape
}

async function replay(cape: CapeStandIn, exchange: Exchange): Promise<void> {
  const { method, path, headers, status, answer, unnamed = false, body, firstRow } = exchange
  const form = formOf(exchange)
  const url = new URL(withOwnTime(withOwnHash(path)), cape.url).href
  const real = await send(url, { method, headers: { ...headers, ...form?.headers }, ...(form && { body: form.body }) })
  assert.equal(real.status, status)
  assert.equal(real.headers['x-cuckoo-version'] === undefined, unnamed)
  assert.equal(real.headers.connection, 'close')
  const type = answer['content-type'] === 'json' ? 'application/json' : answer['content-type']
  assert.equal(real.headers['content-type'], type)
  for (const name of ['www-authenticate', 'location', 'content-disposition']) {
    assert.equal(real.headers[name], answer[name], name)
  }
  assert.equal(real.headers['retry-after'] === undefined, answer['retry-after'] === undefined)
  const text = real.body.toString()
  // Which task comes first in a list hangs on when the script ran.
  const shape = (value: Json) => shapeOf(path.includes('/tasks/list/') ? withoutRows(value) : value)
  if (body !== undefined) assert.deepEqual(shape(JSON.parse(text)), shape(body))
  if (firstRow !== undefined && !path.includes('/tasks/list/')) {
    assert.deepEqual(shapeOf(JSON.parse(text).data[0]), shapeOf(firstRow))
  }
}

function withoutRows(value: Json): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || !Array.isArray(value.data)) return value
  return { ...value, data: value.data.length > 0 }
}

function withOwnHash(path: string): string {
  const [, kind = '', hash = ''] = /\/search\/(\w+)\/(\w+)\//.exec(path) ?? []
  const file = SEARCHED.find(([start]) => start.test(hash))?.[1]
  if (file === undefined) return path
  const own = createHash(kind).update(contentOf(file)).digest('hex')
  return path.replace(hash, hash === hash.toLowerCase() ? own : own.toUpperCase())
}

/** Seconds since 1970 at which lists were asked for. */
const RECORDED_AT = 1_795_780_863

function withOwnTime(path: string): string {
  const later = Math.round(Date.now() / 1000) - RECORDED_AT
  return path.replace(/(completed_after=)([1-9]\d*)(?=&|$)/, (_, name, time) => `${name}${Number(time) + later}`)
}

function formOf({ fields = {}, files, data, headers }: Exchange) {
  if (data !== undefined)
    return { headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers }, body: data }
  if (files === undefined && Object.keys(fields).length === 0) return undefined
  const machine = (value: string) => value.replace(/^win10a$/, 'cuckoo1')
  const long = (value: string) => {
    const [, char = '', count] = /^(.)\*(\d+)$/.exec(value) ?? []
    return count === undefined ? value : char.repeat(Number(count))
  }
  const parts: Buffer[] = Object.entries(fields).map(([name, value]) =>
    Buffer.from(`--B\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${long(machine(value))}\r\n`),
  )
  for (const [content, name, field = 'file'] of files ?? []) {
    // In the recording some names came as `filename*`.
    const shown =
      !name.includes('.') && /^(filename\*|both)$/.test(name)
        ? 'e.exe'
        : name.startsWith('n*')
          ? `${long(name)}.exe`
          : name.replaceAll('"', '%22')
    const head = `--B\r\nContent-Disposition: form-data; name="${field}"; filename="${shown}"\r\n\r\n`
    parts.push(Buffer.from(head), contentOf(content), Buffer.from('\r\n'))
  }
  const body = Buffer.concat([...parts, Buffer.from('--B--\r\n')])
  const length = headers?.['transfer-encoding'] ? {} : { 'content-length': String(body.length) }
  return { headers: { 'content-type': 'multipart/form-data; boundary=B', ...length }, body }
}

/** Fields of a task that say what it is; the fixture holds those that were not empty. */
const TELLING = ['target', 'category', 'status', 'custom'] as const

/** What must be equal: keys, types, and the texts that a client reads. */
function shapeOf(value: Json): unknown {
  if (Array.isArray(value)) return value.slice(0, 1).map(shapeOf)
  if (typeof value === 'string') {
    return value
      .replace(/upload_\w+/, 'upload_x')
      .replace(/Available: .*/, 'Available: …')
      .replace(/\d+ seconds?/, 'n seconds')
      .replace(/(size is): \d+/g, '$1: n')
  }
  if (typeof value !== 'object' || value === null) return typeof value === 'boolean' ? value : typeof value
  // Of the place, not of CAPE.
  const { hostname, version, used_by, ip, name, label, interface: _, snapshot, resultserver_ip, ...rest } = value
  if (typeof rest.category !== 'string') {
    return Object.fromEntries(Object.entries(rest).map(([key, inner]) => [key, shapeOf(inner)]))
  }
  return Object.fromEntries(
    TELLING.filter(key => rest[key] !== undefined && rest[key] !== '').map(key => [key, shapeOf(rest[key] ?? null)]),
  )
}
