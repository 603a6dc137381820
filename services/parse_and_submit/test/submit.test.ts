import assert from 'node:assert/strict'
import { test } from 'node:test'
import { writeHeaders } from '@cuckoo-distributed/core'
import { memoryBody } from '@cuckoo-distributed/testing'
import { VISITED } from '../src/notes.js'
import { submitterScene } from './submitter.js'

test('a message that could not be relayed is relayed the next time, and no row is stored twice', async t => {
  const { crits, running, deliver } = await submitterScene(t, { ProducerQueue: 'next' })
  const rows = () => crits.analyses.get(running.analysisId)?.results.length
  const first = deliver({})
  const relayed = await first.outcome
  const stored = rows()
  assert.ok(stored)
  assert.ok(relayed.kind === 'forward')
  await assert.rejects(async () => relayed.orElse?.(new Error('no such queue')), /no such queue/)
  const again = await deliver(writeHeaders(first.headers)).outcome
  assert.ok(again.kind === 'forward')
  assert.equal(again.queue, 'next')
  assert.deepEqual(relayed.onward?.get(VISITED), ['parse'])
  assert.equal(rows(), stored)
})

const reporting = (report: string) => ({ standIns: { cuckoo: { report: () => memoryBody(report) } } })
const REPORT = ['info', 'signatures', 'behavior'] as const

test('a report without "info" but with another section of a report is used, and CRITs is told', async t => {
  const report = JSON.stringify({ signatures: [{ name: 's', description: 'd', severity: 1 }] })
  const { crits, running, deliver } = await submitterScene(t, { EnabledParsers: [...REPORT] }, reporting(report))
  assert.equal((await deliver({}).outcome).kind, 'done')
  const stored = crits.analyses.get(running.analysisId)
  assert.deepEqual(
    stored?.results.map(row => row.subtype),
    ['signature'],
  )
  assert.ok(stored?.log.some(({ message }) => message.endsWith('the report has no "info"')))
})

test('a JSON object that is no report fails the message', async t => {
  const { crits, running, deliver } = await submitterScene(
    t,
    {},
    reporting('{"error": true, "message": "no such task"}'),
  )
  await assert.rejects(deliver({}).outcome, { code: 'NOT_A_REPORT' })
  assert.deepEqual(crits.analyses.get(running.analysisId)?.results, [])
})

test('CRITs is told how many calls could not be read, and which limit they exceed', async t => {
  const call = { api: 'a', arguments: ['x'.repeat(60_000)] }
  // As Cuckoo 2.0 writes them: the process is named behind its calls.
  const process = { calls: ['text', ...Array(200).fill(call)], process_name: 'p', pid: 1 }
  const report = JSON.stringify({ info: { id: 1 }, behavior: { processes: [process] } })
  const { crits, running, deliver } = await submitterScene(t, { EnabledParsers: [...REPORT] }, reporting(report))
  await deliver({}).outcome
  const log = crits.analyses.get(running.analysisId)?.log.map(({ message }) => message.replace(/^.*?: /, ''))
  assert.ok(log?.includes('1 API calls could not be read: no objects'))
  const held = 'more than 8388608 bytes of a process that is named behind its calls'
  assert.ok(log?.includes(`61 API calls could not be read: ${held}`), log?.join('\n'))
})

test('of a report that is cut short, and whole the next time, each row is stored once', async t => {
  const process = { process_name: 'p', process_id: 1, calls: [{ api: 'NtClose' }] }
  const sections = { info: { id: 1 }, signatures: [{ name: 's' }], behavior: { processes: [process] } }
  const report = JSON.stringify({ ...sections, network: {} })
  let sent = 0
  const body = {
    bytes: report.length,
    async *stream() {
      sent += 1
      yield Buffer.from(sent === 1 ? report.slice(0, -5).padEnd(report.length) : report)
    },
  }
  const scene = { standIns: { cuckoo: { report: () => body } } }
  const { crits, running, deliver } = await submitterScene(t, { EnabledParsers: [...REPORT], HoldLimit: 10 }, scene)
  assert.equal((await deliver({}).outcome).kind, 'done')
  assert.equal(sent, 2)
  const subtypes = crits.analyses.get(running.analysisId)?.results.map(row => row.subtype)
  assert.deepEqual(subtypes, ['info', 'signature', 'process', 'api_call'])
})
