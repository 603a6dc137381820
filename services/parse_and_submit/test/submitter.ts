// The stage in this process, with a finished analysis in Cuckoo and an open one in CRITs: what needs no broker.
import { tmpdir } from 'node:os'
import type { TestContext } from 'node:test'
import {
  Bulkhead,
  createLogger,
  decodeTask,
  type HeaderTable,
  type Outcome,
  readHeaders,
  type StageContext,
  writeHeaders,
} from '@cuckoo-distributed/core'
import { CritsServers } from '@cuckoo-distributed/crits-client'
import { CuckooServers } from '@cuckoo-distributed/sandbox-client'
import {
  type CritsOptions,
  type CuckooOptions,
  type CuckooStandIn,
  runCritsService,
  startCrits,
  startCuckoo,
  waitFor,
} from '@cuckoo-distributed/testing'
import { backOff } from '@cuckoo-distributed/wait'
import { Value } from 'typebox/value'
import { type Config, configSchema } from '../src/config.js'
import { Submitter, type SubmitterOptions } from '../src/submit.js'

/** A logger that keeps the lines of a level in place of printing them. */
function keepingLog() {
  const kept: { level: string; text: string }[] = []
  const log = createLogger('test', { LogFile: '', LogLevel: 'warning' })
  log.level = 'silent'
  for (const level of ['warn', 'error'] as const) {
    log[level] = (...parts: unknown[]) => void kept.push({ level, text: String(parts.at(-1)) })
  }
  return { log, lines: (level: string) => kept.filter(line => line.level === level).map(({ text }) => text) }
}

const forever = new AbortController().signal

export interface SceneOptions extends Partial<SubmitterOptions> {
  /** Of the task. */
  readonly tags?: string
  readonly standIns?: { readonly cuckoo?: CuckooOptions; readonly crits?: CritsOptions }
}

/**
 * `deliver` hands the message to the stage; `probed` is called before each wait for a Cuckoo that is away. `change` may need
 * the URL of Cuckoo.
 */
export async function submitterScene(
  t: TestContext,
  change: Partial<Config> | ((cuckooUrl: string) => Partial<Config>) = {},
  options: SceneOptions = {},
) {
  const { standIns = {}, tags, ...submitterOptions } = options
  const { log, lines } = keepingLog()
  const cuckoo = await startCuckoo({ analysisTime: 1, ...standIns.cuckoo })
  const crits = await startCrits(standIns.crits)
  const sample = { name: 'a.exe', bytes: Buffer.from('MZ a sample') }
  const running = runCritsService(crits, sample)
  await analyse(cuckoo, sample, tags)
  const body = messageTo(cuckoo.url)
  const { next, reset } = backOff({ initialMs: 1, maxMs: 5 })
  let onProbe = () => {}
  const counted = () => {
    onProbe()
    return next()
  }
  const cuckoos = new CuckooServers({ verifySsl: true, maxConnections: 2, backOff: { next: counted, reset } })
  const critsServers = new CritsServers({ verifySsl: true, defaultUrl: crits.url })
  const stop = new AbortController()
  t.after(async () => {
    stop.abort(new Error('the test is over'))
    await Promise.all([cuckoos[Symbol.asyncDispose](), critsServers[Symbol.asyncDispose]()])
    await Promise.all([cuckoo.close(), crits.close()])
  })
  const changed = typeof change === 'function' ? change(cuckoo.url) : change
  const keys = { Amqp: 'amqp://broker.invalid', ConsumerQueue: 'parse', FailedQueue: 'failed', ...changed }
  const config = Value.Parse(configSchema, Value.Default(configSchema, keys))
  const bulkhead = new Bulkhead({ prefetch: config.PrefetchCount, stop: stop.signal })
  const submitter = new Submitter({
    config,
    cuckoos,
    crits: critsServers,
    bulkhead,
    tmpDir: tmpdir(),
    ...submitterOptions,
  })

  function messageTo(cuckooUrl: string, critsData = running.critsData): Buffer {
    return Buffer.from(JSON.stringify({ CuckooURL: cuckooUrl, TaskId: 1, CritsData: critsData }))
  }

  function deliver(
    table: HeaderTable,
    waiting: AbortSignal = forever,
    probed = () => {},
    message = body,
    queue = 'parse',
  ) {
    onProbe = probed
    const headers = readHeaders(table)
    const delivery = { queue, body: message, redelivered: false, mayBeRepeat: headers.seen }
    const operations = { describe: () => undefined, markBegun: () => undefined, tell: () => undefined }
    const context: StageContext = { delivery, log, headers, waiting, working: forever, ...operations }
    const task = decodeTask(message)
    return { headers, outcome: submitter.handle({ ...task, cuckooUrl: new URL(task.cuckooUrl) }, context) }
  }

  /** As the broker would: the message comes back with its progress for as long as it goes to the end of its queue. */
  async function deliverUntilSettled(table: HeaderTable = {}): Promise<Outcome> {
    for (let headers = table; ; ) {
      const delivery = deliver(headers)
      const outcome = await delivery.outcome
      if (outcome.kind !== 'later') return outcome
      headers = writeHeaders(delivery.headers)
    }
  }

  const analysis = () => crits.analyses.get(running.analysisId) ?? { status: 'deleted', log: [], results: [] }
  return { cuckoo, cuckoos, crits, running, sample, analysis, lines, messageTo, deliver, deliverUntilSettled }
}

/** Resolves when the sample has a report; its task is the first one of this Cuckoo. */
export async function analyse(
  cuckoo: CuckooStandIn,
  sample: { name: string; bytes: Buffer },
  tags = '',
): Promise<void> {
  const form = new FormData()
  if (tags !== '') form.append('tags', tags)
  form.append('file', new Blob([new Uint8Array(sample.bytes)]), sample.name)
  await fetch(`${cuckoo.url}/tasks/create/file`, { method: 'POST', body: form })
  await waitFor(() => cuckoo.tasks.get(1)?.status === 'reported', { describe: 'the report' })
}
