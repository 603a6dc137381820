// check_results: its configuration and its one stage, which passes a message on when its task is reported.
import { isDeepStrictEqual } from 'node:util'
import {
  Bulkhead,
  bindStage,
  decodeTask,
  encodeTask,
  forward,
  later,
  type ServiceDefinition,
  stageQueues,
} from '@cuckoo-distributed/core'
import { checkUrl, displayUrl, parseBaseUrl } from '@cuckoo-distributed/http'
import { cuckooProblems, rateOf } from '@cuckoo-distributed/sandbox-client'
import { checkAll } from './check.js'
import { CLOCKS } from './clocks.js'
import { type CheckResultsConfig, CheckResultsSchema, looks } from './config.js'
import { TaskVanishedError } from './verdicts.js'
import { Watchers } from './watchers.js'

/** With `WaitBetweenRequests` 0. */
const SHORTEST_INTERVAL_MS = 50

export const checkResults: ServiceDefinition<CheckResultsConfig> = {
  name: 'check_results',
  summary: 'Watches tasks in any number of Cuckoos and passes each on when its analysis is reported.',
  schema: CheckResultsSchema,
  queues: config => stageQueues(config, config.QueueType),
  failedQueue: config => config.FailedQueue,
  check: cuckooProblems,
  looks,
  async open(config, { log, stop }) {
    const allowed = config.AllowedCuckooURLs.map(parseBaseUrl)
    const watchers = new Watchers({
      verifySsl: config.VerifySSL,
      apiTokens: config.CuckooTokens,
      requestsPerMinute: rateOf(config.RequestsPerMinute),
      intervalMs: Math.max(config.WaitBetweenRequests * 1000, SHORTEST_INTERVAL_MS),
      deadlineMs: config.AnalysisDeadline * 1000,
      log,
      stop,
    })
    const patience = {
      bulkhead: new Bulkhead({ prefetch: config.PrefetchCount, stop }),
      awayLimitMs: config.CuckooAwayLimit * 1000,
    }
    const stage = bindStage({
      queue: config.ConsumerQueue,
      prefetch: config.PrefetchCount,
      decode(body) {
        const task = decodeTask(body)
        return { ...task, cuckooUrl: checkUrl(task.cuckooUrl, allowed) }
      },
      bindings: ({ taskId, cuckooUrl, crits: { analysisId, md5 } }) => ({
        analysisId,
        md5,
        taskId,
        cuckoo: displayUrl(cuckooUrl),
      }),
      async handle(task, context) {
        const { delivery, log, headers } = context
        const clocks = headers.notes.get(CLOCKS) ?? {}
        const { taskId, others = [] } = task
        const watcher = watchers.at(task.cuckooUrl, task.sandbox)
        const outcome = await checkAll(watcher, { taskId, others, clocks, context }, patience)
          .catch((error: unknown) => {
            if (error instanceof TaskVanishedError && delivery.mayBeRepeat) return error
            throw error
          })
          .finally(() => headers.notes.set(CLOCKS, Object.keys(clocks).length > 0 ? clocks : undefined))
        if (outcome === undefined) return later()
        if (outcome instanceof TaskVanishedError) {
          // Passed on before, most likely, and then deleted by the last parse_and_submit, who knows if it deletes.
          log.warn({ cause: outcome.message }, 'may have been reported before; passed on')
          return forward(config.ProducerQueue, delivery.body)
        }
        log.info('reported')
        if (outcome.taskId !== taskId) context.describe({ taskId: outcome.taskId })
        const isSame = isDeepStrictEqual(outcome, { taskId, others })
        return forward(
          config.ProducerQueue,
          isSame ? delivery.body : encodeTask({ ...task, ...outcome, cuckooUrl: displayUrl(task.cuckooUrl) }),
          { told: { event: 'reported' } },
        )
      },
    })
    return { stages: [stage], figures: watchers.figures, [Symbol.asyncDispose]: () => watchers[Symbol.asyncDispose]() }
  },
}
