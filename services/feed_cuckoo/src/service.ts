// feed_cuckoo: its configuration, its clients and its one stage.

import { tmpdir } from 'node:os'
import {
  Bulkhead,
  bindStage,
  Intake,
  logAvailability,
  type ServiceDefinition,
  stageQueues,
} from '@cuckoo-distributed/core'

import { CritsServers, critsAdvice } from '@cuckoo-distributed/crits-client'
import { displayUrl, parseBaseUrl } from '@cuckoo-distributed/http'
import { CuckooServer, rateOf, sandboxNotices } from '@cuckoo-distributed/sandbox-client'
import { type FeedCuckooConfig, FeedCuckooSchema, freeSpace, looks, unusable } from './config.js'
import { Feeder } from './feed.js'
import { roomFigures } from './figures.js'
import { Room } from './room.js'
import { RoomEvents } from './room-events.js'
import { decodeSubmission } from './submission.js'
import { Teller } from './teller.js'

export const feedCuckoo: ServiceDefinition<FeedCuckooConfig> = {
  name: 'feed_cuckoo',
  summary: 'Uploads the samples in messages from CRITs to one sandbox, as fast as it accepts them.',
  schema: FeedCuckooSchema,
  queues: config => stageQueues(config, config.QueueType),
  failedQueue: config => config.FailedQueue,
  check: unusable,
  advise: critsAdvice,
  looks,
  directories: ({ TmpDir }) => ({ TmpDir: TmpDir || tmpdir() }),
  async open(config, { log, stop, telemetry }) {
    const cuckoo = new CuckooServer({
      baseUrl: parseBaseUrl(config.CuckooURL),
      kind: config.Sandbox === 'auto' ? undefined : config.Sandbox,
      requestsPerMinute: rateOf(config.RequestsPerMinute),
      // One upload, and a status for every five.
      requestsPerSample: 1.2,
      junkNames: config.JunkNames,
      ...sandboxNotices(log),
      verifySsl: config.VerifySSL,
      maxConnections: config.PrefetchCount,
      apiTokens: config.CuckooTokens,
      marks: {
        onDoubt: (phases, looks) => log.debug({ phases, looks }, 'the lists of Cuckoo do not agree with its counters'),
      },
      onAvailability: (url, state, error) => logAvailability(log, url, state, error),
    })
    const crits = new CritsServers({
      verifySsl: config.VerifySSL,
      defaultUrl: config.CritsURL,
      allowedUrls: config.AllowedCritsURLs,
      onAvailability: (url, state, error) => logAvailability(log, url, state, error),
    })
    const intake = new Intake()
    const room = new Room({
      status: signal => cuckoo.patient.status(signal),
      intervalMs: () => cuckoo.client.intervalMs,
      maxPending: config.MaxPending,
      freeSpace: freeSpace(config),
      intake,
      onStatus: () => events.changed(),
      log,
      stop,
    })
    const sandbox = displayUrl(parseBaseUrl(config.CuckooURL))
    const events = new RoomEvents({ telemetry, sandbox, figures: () => room.figures })
    const feeder = new Feeder({
      producerQueue: config.ProducerQueue,
      cuckoo,
      room,
      crits,
      teller: new Teller({ log }),
      bulkhead: new Bulkhead({ prefetch: config.PrefetchCount, stop }),
      maxSampleSize: config.MaxSampleSize,
      tmpDir: config.TmpDir,
    })
    const stage = bindStage({
      queue: config.ConsumerQueue,
      prefetch: config.PrefetchCount,
      intake,
      decode: decodeSubmission,
      bindings: ({ crits: { analysisId, md5 } }) => ({ analysisId, md5 }),
      handle: (submission, context) => feeder.handle(submission, context),
    })
    return {
      stages: [stage],
      figures: roomFigures(room, sandbox),
      async [Symbol.asyncDispose]() {
        events[Symbol.dispose]()
        await crits[Symbol.asyncDispose]()
        await cuckoo[Symbol.asyncDispose]()
      },
    }
  },
}
