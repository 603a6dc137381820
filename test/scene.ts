// The whole pipeline for a test: strict stand-ins, the broker of the test run, and built services by name.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import {
  brokerForTests,
  type CapeOptions,
  type CapeStandIn,
  type CritsStandIn,
  type CuckooOptions,
  type CuckooStandIn,
  type PipelineParts,
  pipelineConfigs,
  publishAsCrits,
  type RunningAnalysis,
  runCritsService,
  type ServiceProcess,
  spawnService,
  startCape,
  startCrits,
  startCuckoo,
  type TestBroker,
  testQueues,
  waitFor,
} from '@cuckoo-distributed/testing'

export type ServiceName = 'feed_cuckoo' | 'check_results' | 'parse_and_submit' | 'overseer'

/** A sample under analysis. */
export interface Emitted extends RunningAnalysis {
  readonly name: string
  readonly bytes: Buffer
}

export interface Scene {
  readonly broker: TestBroker
  readonly queues: Readonly<Record<'feed' | 'check' | 'parse' | 'dropped' | 'failed', string>>
  readonly crits: CritsStandIn
  readonly dumpDir: string
  /** Of each service, as `start` gives it. */
  readonly configs: Readonly<Record<ServiceName, object>>
  startCuckoo(options?: CuckooOptions): Promise<CuckooStandIn>
  startCape(options?: CapeOptions): Promise<CapeStandIn>
  /** Starts a service with these keys in place of the usual ones and waits until it consumes. */
  start(name: ServiceName, config?: object, nodeArgs?: readonly string[]): Promise<ServiceProcess>
  /** Starts the four, with these keys of each in place of the usual ones. In the order of the pipeline, the overseer last. */
  startAll(
    keys: Readonly<Partial<Record<ServiceName, object>>>,
  ): Promise<[feed: ServiceProcess, check: ServiceProcess, parse: ServiceProcess, overseer: ServiceProcess]>
  /** Runs the overseer's command for dumps to its end. */
  resubmitDumped(): Promise<ServiceProcess>
  /** What CRITs does when the service is run on a sample. */
  emit(sample: { name: string; bytes: Buffer }): Promise<Emitted>
  /** Waits until every analysis has this status. */
  allAre(status: 'completed' | 'error', samples: readonly Emitted[], deadlineMs?: number): Promise<void>
}

export async function startScene(t: TestContext): Promise<Scene> {
  const broker = await brokerForTests(t)
  const queues = await testQueues(t, broker, 'feed', 'check', 'parse', 'dropped', 'failed')
  const crits = await startCrits({ uploadRace: true })
  t.after(() => crits.close())
  const dumpDir = await mkdtemp(join(tmpdir(), 'pipeline-dumps-'))
  t.after(() => rm(dumpDir, { recursive: true, force: true }))
  const configs = serviceConfigs(broker.url, { queues, cuckooUrl: '', critsUrl: crits.url, dumpDir })
  const start: Scene['start'] = async (name, config, nodeArgs = []) => {
    const service = await spawnService(t, name, { config: { ...configs[name], ...config }, nodeArgs })
    await service.waitForLog('consuming')
    return service
  }
  return {
    broker,
    queues,
    crits,
    dumpDir,
    configs,
    start,
    startAll: ({ feed_cuckoo, check_results, parse_and_submit, overseer }) =>
      Promise.all([
        start('feed_cuckoo', feed_cuckoo),
        start('check_results', check_results),
        start('parse_and_submit', parse_and_submit),
        start('overseer', overseer),
      ]),
    async startCuckoo(options) {
      const cuckoo = await startCuckoo({ analysisTime: 100, ...options })
      t.after(() => cuckoo.close())
      return cuckoo
    },
    async startCape(options) {
      const cape = await startCape({ analysisTime: 100, ...options })
      t.after(() => cape.close())
      return cape
    },
    async resubmitDumped() {
      const command = await spawnService(t, 'overseer', { config: configs.overseer, args: ['--resubmitDumped'] })
      await command.exit
      return command
    },
    async emit(sample) {
      const running = runCritsService(crits, sample)
      await publishAsCrits(broker, queues.feed, running.body)
      return { ...sample, ...running }
    },
    async allAre(status, samples, deadlineMs) {
      const missing = () => samples.filter(({ analysisId }) => crits.analyses.get(analysisId)?.status !== status)
      await waitFor(() => missing().length === 0, {
        deadlineMs,
        describe: () => `${missing().length} of ${samples.length} analyses to be ${status}`,
      })
    },
  }
}

/** `CuckooURL` is the test's, and parse_and_submit needs no `CritsURL`. */
function serviceConfigs(amqp: string, parts: PipelineParts) {
  const common = { Amqp: amqp, LogLevel: 'debug' }
  const { feed_cuckoo, check_results, parse_and_submit, overseer } = pipelineConfigs(parts)
  return {
    feed_cuckoo: { ...common, ...feed_cuckoo },
    check_results: { ...common, ...check_results, WaitBetweenRequests: 0 },
    parse_and_submit: { ...common, ...parse_and_submit, CritsURL: '', PrefetchCount: 20, CuckooCleanup: true },
    overseer: { ...common, ...overseer, PrefetchCount: 10, RetryDelays: [1, 1, 1] },
  }
}
