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
import { type CheckResultsConfig, CheckResultsSchema, looks, timesOf } from './config.js'
import { TaskVanishedError } from './verdicts.js'
import { Watchers } from './watchers.js'

export const checkResults: ServiceDefinition<CheckResultsConfig> = {
  name: 'check_results',
  summary: 'Watches tasks in any number of sandboxes and forwards each one when it is reported.',
  schema: CheckResultsSchema,
  queues: config => stageQueues(config, config.QueueType),
  failedQueue: config => config.FailedQueue,
  check: cuckooProblems,
  looks,
  async open(config, { log, stop }) {
    const allowed = config.AllowedCuckooURLs.map(parseBaseUrl)
    const { intervalMs, deadlineMs, awayLimitMs } = timesOf(config)
    const watchers = new Watchers({
      verifySsl: config.VerifySSL,
      apiTokens: config.CuckooTokens,
      requestsPerMinute: rateOf(config.RequestsPerMinute),
      intervalMs,
      deadlineMs,
      log,
      stop,
    })
    const patience = {
      bulkhead: new Bulkhead({ prefetch: config.PrefetchCount, stop }),
      awayLimitMs,
    }
    const stage = bindStage({
      queue: config.ConsumerQueue,
      prefetch: config.PrefetchCount,
      isWait: true,
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
          log.warn({ cause: outcome.message }, 'may have been reported before; forwarded')
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
