// What must hold once samples have gone through the pipeline.
import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import {
  type CuckooStandIn,
  makeDropped,
  makeReport,
  pythonJson,
  type ServiceProcess,
  type StoredAnalysis,
  sampleFacts,
  waitFor,
} from '@cuckoo-distributed/testing'
import type { Emitted, Scene } from './scene.js'

/** The parts of a 1.2 report that become results. */
interface ExpectedReport {
  readonly signatures: readonly { readonly description: string }[]
  readonly behavior: {
    readonly processes: readonly {
      readonly process_name: string
      readonly calls: readonly { readonly api: string }[]
    }[]
    readonly summary: Readonly<Record<'files' | 'keys' | 'mutexes', readonly string[]>>
  }
}

/** What a stand-in of either kind tells. */
export type SandboxStandIn = Pick<CuckooStandIn, 'submissions' | 'tasks' | 'violations'>

const SUBTYPES = ['info', 'signature', 'process', 'file', 'registry_key', 'mutex', 'file_added', 'api_call']

/** The results of a sample are those of its own report, each once, in order, with the dropped files related. */
export function assertResults({ crits }: Scene, sample: Emitted): void {
  const analysis = crits.analyses.get(sample.analysisId)
  assert.ok(analysis)
  assert.equal(analysis.status, 'completed')
  const report: ExpectedReport = JSON.parse(pythonJson(makeReport(sample.bytes, { name: sample.name })))
  const { processes, summary } = report.behavior
  const dropped = makeDropped(sampleFacts(sample.bytes), sample.name)
  assert.deepEqual([...new Set(analysis.results.map(row => row.subtype))].sort(), [...SUBTYPES].sort())
  assert.equal(resultsOf(analysis, 'info').length, 1)
  const expected: [string, readonly string[]][] = [
    ['signature', report.signatures.map(({ description }) => description)],
    ['process', processes.map(process => process.process_name)],
    ['file', summary.files],
    ['registry_key', summary.keys],
    ['mutex', summary.mutexes],
    // CRITs takes no empty file, and there is no row for a file that it does not have.
    ['file_added', dropped.filter(({ content }) => content.length > 0).map(({ name }) => String(name))],
    ['api_call', processes.flatMap(({ calls }) => calls.map(({ api }) => api))],
  ]
  for (const [subtype, results] of expected) assert.deepEqual(resultsOf(analysis, subtype), results, subtype)
  const contents = new Set(
    dropped
      .map(({ content }) => sampleFacts(content))
      .filter(({ size }) => size > 0)
      .map(({ md5 }) => md5),
  )
  contents.delete(sample.md5)
  const related = crits.samples.get(sample.objectId)?.relationships.filter(link => link.relationship === 'Dropped')
  assert.deepEqual(new Set(related?.map(({ objectId }) => crits.samples.get(objectId)?.md5)), contents)
}

function resultsOf(analysis: StoredAnalysis, subtype: string): unknown[] {
  return analysis.results.filter(row => row.subtype === subtype).map(row => row.result)
}

/** Each sample was analysed once, by whichever Cuckoo; feed_cuckoo marks a task with the analysis' id. */
export function assertAnalysedOnce(samples: readonly Emitted[], ...cuckoos: readonly SandboxStandIn[]): void {
  const marks = cuckoos.flatMap(cuckoo => cuckoo.submissions.map(({ custom }) => custom))
  assert.deepEqual(marks.sort(), samples.map(({ analysisId }) => analysisId).sort())
}

/** Every service ends in order, no message and no dump is left, and no server has seen a breach of its rules. */
export async function assertCleanEnd(
  { broker, queues, crits, dumpDir }: Scene,
  services: readonly ServiceProcess[],
  ...cuckoos: readonly SandboxStandIn[]
): Promise<void> {
  // The tasks are deleted after the acks.
  for (const { tasks } of cuckoos) await waitFor(() => tasks.size === 0, { describe: 'all tasks to be deleted' })
  for (const exit of await Promise.all(services.map(service => service.stop()))) assert.equal(exit.code, 0)
  for (const queue of Object.values(queues)) assert.equal(await broker.depth(queue), 0, queue)
  assert.equal(await broker.depth(`${queues.failed}.delay.1`), 0)
  assert.deepEqual(await leftBehind(dumpDir), [])
  assert.deepEqual(crits.violations, [])
  for (const { violations } of cuckoos) assert.deepEqual(violations, [])
}

/** What is in a dump directory beside the journal; notices and claims count. */
export async function leftBehind(dumpDir: string): Promise<string[]> {
  return (await readdir(dumpDir)).filter(name => name !== '.journal')
}
