// What becomes of a report in CRITs.
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { memoryBody } from '@cuckoo-distributed/testing'
import type { Config, Parser } from '../src/config.js'
import { submitterScene } from './submitter.js'

const REPORT: Parser[] = ['info', 'signatures', 'behavior', 'network', 'configs', 'detections']

/** The rows and the log lines in CRITs of a sample with this report. */
export async function submitted(
  t: TestContext,
  report: unknown,
  change: Partial<Config> | ((url: string) => Partial<Config>) = {},
) {
  const text = typeof report === 'string' ? report : JSON.stringify(report)
  const keys = (url: string) => ({
    EnabledParsers: REPORT,
    ...(typeof change === 'function' ? change(url) : change),
  })
  const scene = await submitterScene(t, keys, { standIns: { cuckoo: { report: () => memoryBody(text) } } })
  const outcome = await scene.deliver({}).outcome
  assert.equal(outcome.kind, 'done')
  assert.deepEqual(scene.crits.violations, [])
  const { results, log } = scene.analysis()
  const rows = results.map(row => Object.fromEntries(Object.entries(row)))
  const of = (...subtypes: string[]) => rows.filter(({ subtype }) => subtypes.includes(String(subtype)))
  return { rows, of, log: log.map(({ message }) => message.replace(/^.*?: /, '')) }
}
