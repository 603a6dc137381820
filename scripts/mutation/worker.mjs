// A process that runs compiled test files, one after the other, each with or without a mutant, until it is killed.
import { register } from 'node:module'
import { pathToFileURL } from 'node:url'
import { Coverage } from './coverage.mjs'
import { declare, taken } from './node-test.mjs'
import { events } from './reporter.mjs'

const GRACE_MS = 5000
// Tests exchange those of the process.
const { setTimeout } = globalThis
const now = performance.now.bind(performance)
const delay = ms => new Promise(resolve => setTimeout(resolve, ms))
const send = message => new Promise(resolve => process.send(message, resolve))

const [, , mutants, folder] = process.argv
register('./hook.mjs', import.meta.url, { data: { mutants, folder } })
// What tests start is not a worker.
process.execArgv.length = 0
const before = kept()
const coverage = new Coverage(mutants)
let runs = 0
let current

process.on('message', async ({ file, mutant = '', only, covers }) => {
  runs += 1
  const run = { name: `run ${runs}`, failure: undefined, tests: [] }
  current = run
  if (covers) await coverage.start()
  await runFile(run, `${pathToFileURL(file).href}?run=${mutant}.${runs}`, only, covers)
  const left = await leftAfter(run)
  if (left.length > 0) fail('what is left', new Error(left.join(', ')))
  current = undefined
  await send({ ...run, left, rss: process.memoryUsage.rss() })
})
process.on('uncaughtException', error => fail('uncaught', error))
process.on('unhandledRejection', error => fail('uncaught', error))
events.on('fail', ({ name, details }) => fail(name, details.error?.cause ?? details.error))
// With nothing to wait for any more, the test would never end.
process.on('beforeExit', async () => {
  if (current === undefined) return
  fail('hangs', new Error('nothing to wait for'))
  await send({ ...current, left: ['a test'], rss: 0 })
  process.exit()
})
process.on('disconnect', () => process.exit())
process.send('ready')

async function runFile(run, url, only, covers) {
  try {
    await import(url)
  } catch (error) {
    fail('import', error)
    return
  }
  const loaded = covers ? await coverage.take() : undefined
  const wrap = (index, fn) => {
    if (only !== undefined && !only.includes(index)) return undefined
    return async t => {
      // The first failure is enough.
      if (run.failure !== undefined) return
      process.send({ begun: index })
      const begun = now()
      await fn(t)
      // The hooks of the test, made before, run before.
      if (covers) t.after(async () => run.tests.push({ index, ms: now() - begun, places: await coverage.take() }))
    }
  }
  process.channel.unref()
  const ended = new Promise(resolve => events.on('end', name => name === run.name && resolve()))
  await declare(run.name, taken(), wrap)
  await ended
  events.removeAllListeners('end')
  process.channel.ref()
  if (covers) Object.assign(run, { loaded: [loaded, await coverage.take()].flat(), files: [...coverage.files] })
}

function fail(name, error) {
  if (current !== undefined) current.failure ??= `${name}: ${String(error?.message ?? error).split('\n')[0]}`
}

/** A test that has passed must end the process. */
async function leftAfter(run) {
  const end = now() + (run.failure === undefined ? GRACE_MS : 20)
  for (;;) {
    const left = kept().filter(kind => !before.includes(kind))
    if (left.length === 0 || now() >= end) return left
    await delay(10)
  }
}

function kept() {
  return process.getActiveResourcesInfo().filter(kind => kind !== 'PipeWrap')
}
