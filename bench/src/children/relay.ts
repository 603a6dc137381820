// A service that does nothing but move messages from one queue to another: what settling costs.
import { bindStage, forward, prefetchKey, runService, StageKeys } from '@cuckoo-distributed/core'
import Type, { type Static } from 'typebox'

const schema = Type.Object(
  { ...StageKeys, ProducerQueue: Type.String(), PrefetchCount: prefetchKey(100, 'Messages in hand at a time') },
  { additionalProperties: false },
)

await runService<Static<typeof schema>>({
  name: 'relay',
  summary: 'Moves messages.',
  schema,
  queues: config => [config.ConsumerQueue, config.ProducerQueue, config.FailedQueue].map(name => ({ name })),
  failedQueue: config => config.FailedQueue,
  async open(config) {
    const stage = bindStage({
      queue: config.ConsumerQueue,
      prefetch: config.PrefetchCount,
      decode: body => body,
      handle: async body => forward(config.ProducerQueue, body),
    })
    return { stages: [stage], [Symbol.asyncDispose]: async () => undefined }
  },
})
