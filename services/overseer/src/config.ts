// The overseer's configuration: its keys, its queues, and what of it cannot be used.
import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import {
  BrokerKeys,
  directoryProblems,
  type Look,
  type OwnQueue,
  prefetchKey,
  spaceLook,
} from '@cuckoo-distributed/core'
import { AllowedCritsURLs, CritsURL, critsLooks, critsProblems, critsUser } from '@cuckoo-distributed/crits-client'
import { urlProblems, VerifySSL } from '@cuckoo-distributed/http'
import Type, { type Static } from 'typebox'

/** Seconds a retry may wait: each has a queue of its own, so a setting can change without stranding messages. */
export const DELAY_LADDER = [1, 10, 60, 300, 600] as const

export const LONGEST_DELAY = 600

export const OverseerSchema = Type.Object(
  {
    ...BrokerKeys,
    PrefetchCount: prefetchKey(100, 'Failed messages in hand at a time'),
    DumpDir: Type.String({
      minLength: 1,
      description: 'Directory for messages that are not tried again; made (mode 0700) if its parent exists',
    }),
    RetryDelays: Type.Array(Type.Union(DELAY_LADDER.map(seconds => Type.Literal(seconds))), {
      default: [60, 60, 60],
      description:
        'Seconds before each further try, out of 1, 10, 60, 300 and 600; as many entries as tries, none = dump at once',
    }),
    SharedCauseLimit: Type.Integer({
      default: 86_400,
      minimum: 0,
      maximum: 365 * 86_400,
      description:
        'Seconds for which a message is tried again if its failure lies in the place and not in the message (a key that CRITs refuses, an API that is off); such tries do not count among `RetryDelays`',
    }),
    JournalDir: Type.String({
      default: '',
      description:
        'Directory for the journal of events that `overseer where` reads; made (mode 0700) if it is missing. Empty: `.journal` in `DumpDir`',
    }),
    JournalDays: Type.Integer({
      default: 30,
      minimum: 1,
      maximum: 3650,
      description: 'Days for which the journal is kept',
    }),
    JournalBytes: Type.Integer({
      default: 8 * 1024 ** 3,
      minimum: 1024 ** 2,
      description: 'Bytes of the journal with its index; the oldest files go first',
    }),
    ManagementURL: Type.String({
      default: '',
      description:
        "Base URL of RabbitMQ's management API, for what `overseer queues` cannot learn by AMQP; asked as the user in `Amqp` unless the URL has one",
    }),
    CritsURL,
    AllowedCritsURLs,
    VerifySSL,
  },
  { additionalProperties: false },
)

export type OverseerConfig = Readonly<Static<typeof OverseerSchema>>

/** Where messages wait `seconds` for their next try. */
export function delayQueue(consumerQueue: string, seconds: number): string {
  return `${consumerQueue}.delay.${seconds}`
}

/** Every queue of the overseer. Quorum queues need one more for what exceeds their delivery limit. */
export function ownQueues({ ConsumerQueue, QueueType }: OverseerConfig): readonly OwnQueue[] {
  const consumed = [ConsumerQueue, ...DELAY_LADDER.map(seconds => delayQueue(ConsumerQueue, seconds))]
  if (QueueType === 'classic') return consumed.map(name => ({ name, isConsumed: true }))
  const lost = `${ConsumerQueue}.lost`
  return [{ name: lost }, ...consumed.map(name => ({ name, isConsumed: true, deadLetterTo: lost }))]
}

/** Where the journal is. */
export function journalDir({ JournalDir, DumpDir }: Pick<OverseerConfig, 'JournalDir' | 'DumpDir'>): string {
  return JournalDir === '' ? join(resolve(DumpDir), '.journal') : resolve(JournalDir)
}

/** What is well-formed and still cannot be used, in words that name the key. */
export function unusable(config: OverseerConfig): string[] {
  const dir = resolve(config.DumpDir)
  const { ManagementURL } = config
  return [
    ...critsProblems(config),
    ...urlProblems({ ManagementURL }),
    ...directoryProblems({ DumpDir: existsSync(dir) ? dir : dirname(dir) }),
  ]
}

/** A thousand dumps of small samples. */
const SPACE = 2 ** 28

/** What it needs of the world outside. */
export function looks({ DumpDir, JournalDir, CritsURL, AllowedCritsURLs, VerifySSL }: OverseerConfig): Look[] {
  return [
    ...critsLooks([CritsURL, ...AllowedCritsURLs].filter(Boolean), VerifySSL, critsUser(process.env)),
    spaceLook('DumpDir', DumpDir, SPACE),
    spaceLook('JournalDir', journalDir({ JournalDir, DumpDir }), SPACE),
  ]
}
