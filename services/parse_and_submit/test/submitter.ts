// The stage in this process, with a finished analysis in Cuckoo and an open one in CRITs: what needs no broker.
import { tmpdir } from 'node:os'
import type { TestContext } from 'node:test'
import { createLogger, decodeTask, type HeaderTable, readHeaders, type StageContext } from '@cuckoo-distributed/core'
import { CritsServers } from '@cuckoo-distributed/crits-client'
import { CuckooServers } from '@cuckoo-distributed/sandbox-client'
import { memoryBody, runCritsService, startCrits, startCuckoo, waitFor } from '@cuckoo-distributed/testing'
import { backOff } from '@cuckoo-distributed/wait'
import { Value } from 'typebox/value'
import { type Config, configSchema } from '../src/config.js'
import { Submitter } from '../src/submit.js'

const log = createLogger('test', { LogFile: '', LogLevel: 'warning' })
log.level = 'silent'
const forever = new AbortController().signal

/** `report`: what Cuckoo sends; default a genuine one. `deliver` hands the message to the stage; `probed` is called before each wait for a Cuckoo that is away. */
export async function submitterScene(t: TestContext, change: Partial<Config> = {}, report?: string) {
  const own = report === undefined ? {} : { report: () => memoryBody(report) }
  const cuckoo = await startCuckoo({ analysisTime: 1, ...own })
  const crits = await startCrits()
  const sample = { name: 'a.exe', bytes: Buffer.from('MZ a sample') }
  const running = runCritsService(crits, sample)
  const form = new FormData()
  form.append('file', new Blob([new Uint8Array(sample.bytes)]), sample.name)
  await fetch(`${cuckoo.url}/tasks/create/file`, { method: 'POST', body: form })
  await waitFor(() => cuckoo.tasks.get(1)?.status === 'reported', { describe: 'the report' })
  const body = Buffer.from(JSON.stringify({ CuckooURL: cuckoo.url, TaskId: 1, CritsData: running.critsData }))
  const { next, reset } = backOff({ initialMs: 1, maxMs: 5 })
  let onProbe = () => {}
  const counted = () => {
    onProbe()
    return next()
  }
  const cuckoos = new CuckooServers({ verifySsl: true, maxConnections: 2, backOff: { next: counted, reset } })
  const critsServers = new CritsServers({ verifySsl: true, defaultUrl: crits.url })
  t.after(async () => {
    await Promise.all([cuckoos[Symbol.asyncDispose](), critsServers[Symbol.asyncDispose]()])
    await Promise.all([cuckoo.close(), crits.close()])
  })
  const keys = { Amqp: 'amqp://broker.invalid', ConsumerQueue: 'parse', FailedQueue: 'failed', ...change }
  const config = Value.Parse(configSchema, Value.Default(configSchema, keys))
  const submitter = new Submitter({ config, cuckoos, crits: critsServers, tmpDir: tmpdir() })
  const deliver = (table: HeaderTable, waiting: AbortSignal = forever, probed = () => {}) => {
    onProbe = probed
    const headers = readHeaders(table)
    const delivery = { queue: 'parse', body, redelivered: false, mayBeRepeat: false }
    const operations = { describe: () => undefined, markBegun: () => undefined }
    const context: StageContext = { delivery, log, headers, waiting, working: forever, ...operations }
    return { headers, outcome: submitter.handle(decodeTask(body), context) }
  }
  return { cuckoo, crits, running, deliver }
}
