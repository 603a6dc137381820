// What the overseer's tests share: messages as stages send them, a dump directory, and contexts without a broker.
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import {
  createLogger,
  encodeFailedMessage,
  type FailedFields,
  type HeaderTable,
  readHeaders,
  type StageContext,
} from '@cuckoo-distributed/core'
import { Body } from '../src/body.js'
import { encodeDump } from '../src/dump-file.js'

export const silentLog = createLogger('overseer', { LogFile: '', LogLevel: 'warning' })
silentLog.level = 'silent'

export const API_KEY = 'f00d5ec4e7'

/** A task message of the suite; `critsUrl` empty as CRITs' service sends it. */
export function taskBody(analysisId: string, critsUrl = '', objectId = '56686f0e1d41c8731f5e8a01', apiKey = API_KEY) {
  const crits = { crits_url: critsUrl, analysis_id: analysisId, object_type: 'Sample', object_id: objectId }
  const CritsData = { ...crits, username: 'alice', api_key: apiKey, md5: '', source: 'Internal' }
  return JSON.stringify({ TaskId: 7, CuckooURL: 'http://cuckoo.invalid', CritsData })
}

export function failedFields(queue: string, changes: Partial<FailedFields> = {}): FailedFields {
  const failedAt = '2026-01-02T03:04:05.678Z'
  return { service: 'check_results', queue, error: 'no answer', desc: 'HTTP_TIMEOUT', failedAt, ...changes }
}

/** A failed message as `settle` publishes it. */
export function wrapped(queue: string, body: string, changes: Partial<FailedFields> = {}): Buffer {
  return encodeFailedMessage(failedFields(queue, changes), body)
}

/** A directory of its own for a test, below which DumpDir does not exist yet. */
export async function temporaryDir(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'overseer-test-'))
  t.after(() => rm(dir, { recursive: true, force: true }))
  return dir
}

/** Names in a dump directory, work files left out; none while it does not exist. */
export async function dumpNames(dir: string): Promise<string[]> {
  const names = await readdir(dir).catch(() => [])
  return names.filter(name => !name.startsWith('.')).sort()
}

/** What a stage gets for one delivery. */
export function contextOf(body: Buffer, headers: HeaderTable, signal: AbortSignal): StageContext {
  return {
    delivery: { queue: 'worker/failed', body, redelivered: false, mayBeRepeat: false },
    log: silentLog,
    headers: readHeaders(headers),
    waiting: signal,
    working: signal,
    describe: () => undefined,
    markBegun: () => undefined,
    tell: () => undefined,
  }
}

/** The bytes of a dump. */
export function dumpOf(
  failed: FailedFields & { readonly body: Buffer },
  headers: Record<string, unknown> = {},
): Buffer {
  return Buffer.concat([...encodeDump({ ...failed, body: Body.plain(failed.body) }, readHeaders(headers))])
}
