// How the four services are put together: who consumes which queue, and where the servers are.

export interface PipelineParts {
  readonly queues: Readonly<Record<'feed' | 'check' | 'parse' | 'failed', string>>
  readonly cuckooUrl: string
  readonly critsUrl: string
  readonly dumpDir: string
}

/** What the configuration of each service must have, but for the broker; all other keys are left at their defaults. */
export function pipelineConfigs({ queues, cuckooUrl, critsUrl, dumpDir }: PipelineParts) {
  const { feed, check, parse, failed: FailedQueue } = queues
  return {
    feed_cuckoo: {
      ...{ FailedQueue, ConsumerQueue: feed, ProducerQueue: check },
      ...{ CuckooURL: cuckooUrl, CritsURL: critsUrl },
    },
    check_results: { FailedQueue, ConsumerQueue: check, ProducerQueue: parse },
    parse_and_submit: { FailedQueue, ConsumerQueue: parse, CritsURL: critsUrl },
    overseer: { ConsumerQueue: FailedQueue, CritsURL: critsUrl, DumpDir: dumpDir },
  }
}
