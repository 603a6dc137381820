// feed_cuckoo: its configuration, its clients and its one stage.
import { bindStage, describeError, Intake, type Logger, type ServiceDefinition } from '@cuckoo-distributed/core'
import { CritsServers } from '@cuckoo-distributed/crits-client'
import { CuckooClient } from '@cuckoo-distributed/cuckoo-client'
import { Availability } from '@cuckoo-distributed/http'
import { type FeedCuckooConfig, FeedCuckooSchema, ownQueues, unusable } from './config.js'
import { Feeder } from './feed.js'
import { Room } from './room.js'
import { decodeSubmission } from './submission.js'

export const feedCuckoo: ServiceDefinition<typeof FeedCuckooSchema> = {
  name: 'feed_cuckoo',
  summary: 'Uploads the samples of messages from CRITs to one Cuckoo, as fast as it takes them.',
  schema: FeedCuckooSchema,
  queues: ownQueues,
  failedQueue: config => config.FailedQueue,
  check: unusable,
  async open(config, { log, stop }) {
    const cuckoo = new CuckooClient({
      baseUrl: config.CuckooURL,
      verifySsl: config.VerifySSL,
      maxConnections: config.PrefetchCount,
    })
    const crits = new CritsServers({
      verifySsl: config.VerifySSL,
      onAvailability: (url, state, error) => tellAvailability(log, `CRITs at ${url}`, state, error),
    })
    const availability = new Availability({
      probe: signal => cuckoo.status(signal),
      onChange: (state, error) => tellAvailability(log, `Cuckoo at ${cuckoo.baseUrl}`, state, error),
    })
    const intake = new Intake()
    const feeder = new Feeder({
      producerQueue: config.ProducerQueue,
      cuckoo,
      availability,
      room: new Room({
        status: signal => availability.patiently(signal, () => cuckoo.status(signal)),
        maxPending: config.MaxPending,
        freeSpace: freeSpace(config),
        intake,
        log,
        stop,
      }),
      crits,
      critsUrl: config.CritsURL,
      allowedCritsUrls: config.AllowedCritsURLs,
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
      async close() {
        await crits[Symbol.asyncDispose]()
        await cuckoo[Symbol.asyncDispose]()
      },
    }
  },
}

function freeSpace(config: FeedCuckooConfig) {
  return config.CheckFreeSpace ? { min: config.MinFreeSpace, unknown: config.FreeSpaceUnknown } : undefined
}

function tellAvailability(log: Logger, server: string, state: 'up' | 'down', error: unknown): void {
  if (state === 'up') log.info({ server }, 'the server answers again')
  else log.warn({ server, cause: describeError(error) }, 'the server is away; waiting for it')
}
