// A finished analysis in a Cuckoo, an open one in CRITs, and parse_and_submit as a process between them.
import type { TestContext } from 'node:test'
import {
  brokerForTests,
  type CritsOptions,
  type CritsStandIn,
  type CuckooOptions,
  type CuckooStandIn,
  type RunningAnalysis,
  runCritsService,
  type ServiceProcess,
  type StoredAnalysis,
  type StoredResult,
  spawnService,
  startCrits,
  startCuckoo,
  type TestBroker,
  testQueues,
  waitFor,
} from '@cuckoo-distributed/testing'

export interface Scene {
  readonly broker: TestBroker
  readonly queues: { readonly parse: string; readonly next: string; readonly failed: string }
  readonly cuckoo: CuckooStandIn
  readonly crits: CritsStandIn
  /** Starts an instance with these keys on top of the usual ones and waits until it consumes. */
  start(config?: Record<string, unknown>): Promise<ServiceProcess>
  /** Brings a sample through Cuckoo and resolves with the message that check_results would send. */
  analyse(sample: { name: string; bytes: Buffer }): Promise<Finished>
  /** The analysis in CRITs, once it has this status. */
  ended(analysis: Finished, status?: string, deadlineMs?: number): Promise<StoredAnalysis>
}

export interface Finished extends RunningAnalysis {
  readonly taskId: number
  readonly message: string
}

export async function startScene(
  t: TestContext,
  options: { cuckoo?: CuckooOptions; crits?: CritsOptions } = {},
): Promise<Scene> {
  const broker = await brokerForTests(t)
  const queues = await testQueues(t, broker, 'parse', 'next', 'failed')
  const cuckoo = await startCuckoo({ analysisTime: 1, ...options.cuckoo })
  const crits = await startCrits(options.crits)
  t.after(() => Promise.all([cuckoo.close(), crits.close()]))
  return {
    broker,
    queues,
    cuckoo,
    crits,
    async start(config) {
      const service = await spawnService(t, 'parse_and_submit', {
        config: {
          Amqp: broker.url,
          ConsumerQueue: queues.parse,
          FailedQueue: queues.failed,
          CritsURL: crits.url,
          LogLevel: 'debug',
          ...config,
        },
      })
      await service.waitForLog('consuming')
      return service
    },
    async analyse(sample) {
      const running = runCritsService(crits, sample)
      const taskId = await upload(cuckoo, sample)
      await waitFor(() => cuckoo.tasks.get(taskId)?.status === 'reported', {
        describe: `task ${taskId} to be reported`,
      })
      const message = JSON.stringify({ CuckooURL: cuckoo.url, TaskId: taskId, CritsData: running.critsData })
      return { ...running, taskId, message }
    },
    async ended({ analysisId }, status = 'completed', deadlineMs) {
      return waitFor(
        () => {
          const analysis = crits.analyses.get(analysisId)
          return analysis?.status === status && analysis
        },
        { describe: `analysis ${analysisId} to be ${status}`, deadlineMs },
      )
    },
  }
}

/** The rows of one subtype. */
export function rowsOf(analysis: StoredAnalysis, subtype: string): StoredResult[] {
  return analysis.results.filter(row => row.subtype === subtype)
}

async function upload(cuckoo: CuckooStandIn, { name, bytes }: { name: string; bytes: Buffer }): Promise<number> {
  const form = new FormData()
  form.append('file', new Blob([new Uint8Array(bytes)]), name)
  const response = await fetch(`${cuckoo.url}/tasks/create/file`, { method: 'POST', body: form })
  const answer: unknown = await response.json()
  if (typeof answer === 'object' && answer !== null && 'task_id' in answer && typeof answer.task_id === 'number') {
    return answer.task_id
  }
  throw new Error(`Cuckoo took no task: ${JSON.stringify(answer)}`)
}
