// The overseer's configuration: its keys, its queues, and what of it cannot be used.
import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import {
  BrokerKeys,
  directoryProblems,
  knownHosts,
  type Look,
  listenAddress,
  type OwnQueue,
  prefetchKey,
  spaceLook,
} from '@cuckoo-distributed/core'
import { AllowedCritsURLs, CritsURL, critsLooks, critsProblems, critsUser } from '@cuckoo-distributed/crits-client'
import { urlProblems, VerifySSL } from '@cuckoo-distributed/http'
import Type, { type Static } from 'typebox'
import type { Retention } from './journal/files.js'

/** Seconds a retry may wait: each has a queue of its own, so a setting can change without stranding messages. */
export const DELAY_LADDER = [1, 10, 60, 300, 600] as const

export const LONGEST_DELAY = 600

export const OverseerSchema = Type.Object(
  {
    ...BrokerKeys,
    PrefetchCount: prefetchKey(100, 'Failed messages processed at a time'),
    DumpDir: Type.String({
      minLength: 1,
      description: 'Directory for messages that are not retried any more; created (mode 0700) if its parent exists',
    }),
    RetryDelays: Type.Array(Type.Union(DELAY_LADDER.map(seconds => Type.Literal(seconds))), {
      default: [60, 60, 60],
      description:
        'Seconds before each retry, each one of 1, 10, 60, 300 and 600; the number of entries is the number of retries, none = dump at once',
    }),
    SharedCauseLimit: Type.Integer({
      default: 86_400,
      minimum: 0,
      maximum: 365 * 86_400,
      description:
        'Seconds for which a message is retried if its failure has a shared cause (CRITs rejects a key, an API is switched off); such retries do not count towards `RetryDelays`',
    }),
    JournalDir: Type.String({
      default: '',
      description:
        'Directory for the journal of events that `overseer where` reads; created (mode 0700) if it is missing. Empty: `.journal` in `DumpDir`',
    }),
    JournalDays: Type.Integer({
      default: 30,
      minimum: 1,
      maximum: 3650,
      description: 'Days for which the journal is kept',
    }),
    JournalBytes: Type.Integer({
      default: 12 * 1024 ** 3,
      minimum: 1024 ** 2,
      description:
        'Largest size of the journal with its index, in bytes, some 300 per event; the oldest files are deleted first',
    }),
    ManagementURL: Type.String({
      default: '',
      description:
        "Base URL of RabbitMQ's management API, for what `overseer queues` cannot learn by AMQP; asked as the user in `Amqp` unless the URL has one",
    }),
    AdminListen: Type.String({
      default: '',
      pattern: '^(([^\\s/@]+:)?\\d{1,5})?$',
      description:
        "`HOST:PORT` on loopback, or a port on 127.0.0.1, for the operators' page; needs `AdminToken`. Empty = off; `overseer admin` serves it alone",
    }),
    AdminToken: Type.String({
      default: '',
      pattern: '^(\\S{16,})?$',
      description: 'Token that gives access to the page, 16 characters or more: `"${ADMIN_TOKEN}"`',
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

/** How much of the journal is kept. */
export function retentionOf({ JournalDays: days, JournalBytes: bytes }: OverseerConfig): Retention {
  return { days, bytes }
}

/** What is well-formed and still cannot be used, in words that name the key. */
export function unusable(config: OverseerConfig): string[] {
  const dir = resolve(config.DumpDir)
  const { ManagementURL } = config
  return [
    ...critsProblems(config),
    ...urlProblems({ ManagementURL }),
    ...directoryProblems({ DumpDir: existsSync(dir) ? dir : dirname(dir) }),
    ...adminProblems(config),
  ]
}

function adminProblems({ AdminListen, AdminToken }: OverseerConfig): string[] {
  if (AdminListen === '') return []
  return [
    ...(isLoopback(AdminListen)
      ? []
      : ['"AdminListen" must be on loopback: reach it from elsewhere by `ssh -L`, or by a proxy on this machine']),
    ...(AdminToken === '' ? ['"AdminListen" needs "AdminToken"; `overseer admin` makes one for itself'] : []),
  ]
}

/** Whether an address in the form of `AdminListen` can be reached from this machine only. */
export function isLoopback(listen: string): boolean {
  return knownHosts([])(listenAddress(listen).host)
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
