import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { type CritsStandIn, startCrits } from '../src/crits/server.js'
import { waitFor } from '../src/wait-for.js'
import { credentials, exchange, FORM, form, multipart } from './crits-http.js'

const SERVICES = '/api/v1/services/'

interface Scene {
  readonly crits: CritsStandIn
  log(message: string): Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; text: string }>
  messages(): string[]
}

async function withScene(check: (scene: Scene) => Promise<void>): Promise<void> {
  await using crits = await startCrits()
  const { id } = crits.addSample({ bytes: Buffer.from('MZ') })
  const analysis = crits.startAnalysis({ objectId: id })
  await check({
    crits,
    log: message => {
      const body = form({ object_type: 'Sample', object_id: id, analysis_id: analysis.id, log_message: message })
      return exchange(crits.url, { path: SERVICES, headers: { ...credentials(crits), ...FORM }, body })
    },
    messages: () => analysis.log.map(({ message }) => message),
  })
}

describe('a scripted fault', () => {
  test('answers a status instead of serving, as often as it was asked to', () =>
    withScene(async ({ crits, log, messages }) => {
      crits.faults.next({ kind: 'status', status: 503, headers: { 'retry-after': '1' }, times: 2 })
      for (const message of ['a', 'b']) {
        const { status, headers } = await log(message)
        assert.deepEqual([status, headers['retry-after']], [503, '1'])
      }
      assert.equal(crits.faults.pending, 0)
      assert.equal((await log('c')).status, 200)
      assert.deepEqual(messages(), ['c'])
      assert.deepEqual(
        crits.journal.map(({ fault }) => fault),
        ['status', 'status', undefined],
      )
    }))

  test('meets only requests of its method and path, from the nth on', () =>
    withScene(async ({ crits, log }) => {
      crits.faults.next({ kind: 'status', status: 500, match: { method: 'PATCH' } })
      crits.faults.next({ kind: 'status', status: 500, match: { path: '/api/v1/samples/' } })
      crits.faults.next({
        kind: 'status',
        status: 502,
        match: { method: 'POST', path: /^\/api\/v1\/ser/, nth: 3 },
        times: 2,
      })
      const statuses: number[] = []
      for (const message of ['a', 'b', 'c', 'd', 'e']) statuses.push((await log(message)).status)
      assert.deepEqual(statuses, [200, 200, 502, 502, 200])
      assert.equal(crits.faults.pending, 2)
      crits.faults.clear()
      assert.equal(crits.faults.pending, 0)
    }))

  test('is taken in the order of the script', () =>
    withScene(async ({ crits, log }) => {
      crits.faults.next({ kind: 'status', status: 500 })
      crits.faults.next({ kind: 'html200' })
      assert.equal((await log('a')).status, 500)
      const { status, headers } = await log('b')
      assert.deepEqual([status, headers['content-type']], [200, 'text/html; charset=utf-8'])
    }))

  test('slow serves the request in the end', () =>
    withScene(async ({ crits, log, messages }) => {
      crits.faults.next({ kind: 'slow', milliseconds: 20 })
      assert.equal((await log('a')).status, 200)
      assert.deepEqual(messages(), ['a'])
    }))

  test('hang never answers, and ends with the stand-in', async () => {
    let pending: Promise<unknown> = Promise.resolve()
    await withScene(async ({ crits, log, messages }) => {
      crits.faults.next({ kind: 'hang' })
      pending = assert.rejects(log('a'), { code: 'ECONNRESET' })
      await waitFor(() => crits.journal.length === 1, { describe: 'the request' })
      assert.deepEqual(messages(), [])
    })
    await pending
  })

  test('lostAfterStore keeps what the request did and cuts the connection', () =>
    withScene(async ({ crits, log, messages }) => {
      crits.faults.next({ kind: 'lostAfterStore' })
      await assert.rejects(log('a'), { code: 'ECONNRESET' })
      assert.deepEqual(messages(), ['a'])
      assert.equal(crits.journal[0]?.status, undefined)
    }))

  test('refuse cuts the connection before anything is stored', () =>
    withScene(async ({ crits, log, messages }) => {
      crits.faults.next({ kind: 'refuse' })
      await assert.rejects(log('a'), { code: 'ECONNRESET' })
      assert.deepEqual(messages(), [])
    }))

  test('resetMidUpload breaks an upload, which is not stored', () =>
    withScene(async ({ crits }) => {
      crits.faults.next({ kind: 'resetMidUpload', afterBytes: 100_000, match: { path: '/api/v1/samples/' } })
      const fields = { upload_type: 'file', source: 'Internal', description: 'd' }
      const { headers, body } = multipart(fields, { filename: 'a.exe', bytes: randomBytes(2_000_000) })
      const call = { path: '/api/v1/samples/', headers: { ...credentials(crits), ...headers }, body }
      await assert.rejects(exchange(crits.url, call))
      assert.equal(crits.samples.size, 1)
      assert.equal((await exchange(crits.url, call)).status, 200)
      assert.equal(crits.samples.size, 2)
    }))
})

describe('an outage', () => {
  test('refuses connections and ends on the same port with everything still there', () =>
    withScene(async ({ crits, log, messages }) => {
      const { url } = crits
      await log('before')
      await crits.down()
      await crits.down()
      await assert.rejects(log('during'), { code: 'ECONNREFUSED' })
      await crits.up()
      await crits.up()
      assert.equal(crits.url, url)
      assert.equal((await log('after')).status, 200)
      assert.deepEqual(messages(), ['before', 'after'])
    }))

  test('cuts requests that are being served', () =>
    withScene(async ({ crits, log }) => {
      crits.faults.next({ kind: 'hang' })
      const pending = assert.rejects(log('a'), { code: 'ECONNRESET' })
      await waitFor(() => crits.journal.length === 1, { describe: 'the request' })
      await crits.down()
      await pending
    }))
})
