// What parse_and_submit opens: its stage, and the two kinds of servers it talks to.
import { tmpdir } from 'node:os'
import {
  Bulkhead,
  bindStage,
  decodeTask,
  logAvailability,
  type ServiceDefinition,
  stageQueues,
} from '@cuckoo-distributed/core'
import { CritsServers, critsAdvice } from '@cuckoo-distributed/crits-client'
import { checkUrl, displayUrl, parseBaseUrl } from '@cuckoo-distributed/http'
import { CuckooServers, rateOf, sandboxNotices } from '@cuckoo-distributed/sandbox-client'
import { nextQueue } from './chain.js'
import { type Config, configSchema, critsPauseMs, looks, requestsOf, unusable } from './config.js'
import { Submitter } from './submit.js'

export const parseAndSubmit: ServiceDefinition<Config> = {
  name: 'parse_and_submit',
  summary: 'Reads the report and the dropped files of a finished analysis in Cuckoo and sends the results to CRITs.',
  schema: configSchema,
  queues: config => stageQueues(config, config.QueueType),
  failedQueue: config => config.FailedQueue,
  check: unusable,
  advise: critsAdvice,
  looks,
  directories: ({ TmpDir }) => ({ TmpDir: TmpDir || tmpdir() }),
  open: async (config, { log, stop }) => {
    if (config.CuckooCleanup && nextQueue(config, [])) {
      log.warn('CuckooCleanup has no effect on messages that this instance relays; the last one of the chain cleans up')
    }
    const allowed = config.AllowedCuckooURLs.map(parseBaseUrl)
    const cuckoos = new CuckooServers({
      verifySsl: config.VerifySSL,
      // One more than reports are downloaded at a time, so that the status can be asked for meanwhile.
      maxConnections: config.CuckooConcurrency + 1,
      apiTokens: config.CuckooTokens,
      requestsPerMinute: rateOf(config.RequestsPerMinute),
      requestsPerSample: requestsOf(config),
      capeDelete: config.CapeDelete,
      ...sandboxNotices(log),
      onAvailability: (url, state, error) => logAvailability(log, url, state, error),
    })
    const crits = new CritsServers({
      verifySsl: config.VerifySSL,
      pauseMs: critsPauseMs(config),
      defaultUrl: config.CritsURL,
      allowedUrls: config.AllowedCritsURLs,
      onAvailability: (url, state, error) => logAvailability(log, url, state, error),
    })
    const bulkhead = new Bulkhead({ prefetch: config.PrefetchCount, stop })
    const submitter = new Submitter({ config, cuckoos, crits, bulkhead, tmpDir: config.TmpDir || tmpdir() })
    const stage = bindStage({
      queue: config.ConsumerQueue,
      prefetch: config.PrefetchCount,
      isCostly: true,
      decode(body) {
        const task = decodeTask(body)
        return { ...task, cuckooUrl: checkUrl(task.cuckooUrl, allowed) }
      },
      bindings: task => ({
        analysisId: task.crits.analysisId,
        md5: task.crits.md5,
        taskId: task.taskId,
        cuckoo: displayUrl(task.cuckooUrl),
      }),
      handle: (task, context) => submitter.handle(task, context),
    })
    return {
      stages: [stage],
      async [Symbol.asyncDispose]() {
        await cuckoos[Symbol.asyncDispose]()
        await crits[Symbol.asyncDispose]()
      },
    }
  },
}
