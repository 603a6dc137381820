// The configuration of feed_cuckoo: its keys, and what of it cannot be used.
import { tmpdir } from 'node:os'
import { directoryProblems, type Look, prefetchKey, StageKeys, spaceLook } from '@cuckoo-distributed/core'
import { AllowedCritsURLs, CritsURL, critsLooks, critsProblems, critsUser } from '@cuckoo-distributed/crits-client'
import { urlProblems, VerifySSL } from '@cuckoo-distributed/http'
import { CuckooTokens, cuckooProblems, requestsPerMinuteKey, sandboxLooks } from '@cuckoo-distributed/sandbox-client'
import { TmpDir } from '@cuckoo-distributed/staging'
import Type, { type Static } from 'typebox'

const MiB = 1024 * 1024

export const FeedCuckooSchema = Type.Object(
  {
    ...StageKeys,
    ProducerQueue: Type.String({ minLength: 1, description: 'Queue for submitted tasks; check_results consumes it' }),
    VerifySSL,
    PrefetchCount: prefetchKey(
      1,
      'Messages processed at a time, each with its sample; also the number of connections to Cuckoo, whose web server has one thread',
    ),
    CuckooURL: Type.String({
      minLength: 1,
      description:
        'Base URL of the API of Cuckoo, or of CAPE (`http://host:8000/apiv2`); check_results and parse_and_submit must reach it by the same URL',
    }),
    Sandbox: Type.Union([Type.Literal('auto'), Type.Literal('cuckoo'), Type.Literal('cape')], {
      default: 'auto',
      description: 'What `CuckooURL` is: `cuckoo`, `cape`, or `auto` = detected from the first answer',
    }),
    RequestsPerMinute: requestsPerMinuteKey(1),
    JunkNames: Type.Union([Type.Literal('rename'), Type.Literal('fail')], {
      default: 'rename',
      description:
        'What to do with a sample whose name the junk filter of CAPE rejects (`readme.txt`): `rename` it for the sandbox, or `fail`',
    }),
    MaxPending: Type.Integer({
      default: 10,
      minimum: 1,
      description: 'Upload only while fewer tasks than this are pending in Cuckoo',
    }),
    CheckFreeSpace: Type.Boolean({
      default: false,
      description:
        'Upload only while Cuckoo has `MinFreeSpace` (Cuckoo 1.2 does not report it, see `FreeSpaceUnknown`)',
    }),
    MinFreeSpace: Type.Integer({
      default: 256 * MiB,
      minimum: 0,
      description: 'Bytes that must be free in Cuckoo; used only with `CheckFreeSpace`',
    }),
    FreeSpaceUnknown: Type.Union([Type.Literal('go'), Type.Literal('wait')], {
      default: 'go',
      description: 'What to do when Cuckoo does not report its free space: `go` or `wait`',
    }),
    CuckooTokens,
    CritsURL,
    AllowedCritsURLs,
    MaxSampleSize: Type.Integer({
      default: 256 * MiB,
      minimum: 1,
      description: 'Largest sample to read from CRITs, in bytes; samples inside messages are limited by the broker',
    }),
    TmpDir,
  },
  { additionalProperties: false },
)

export type FeedCuckooConfig = Readonly<Static<typeof FeedCuckooSchema>>

/** What Cuckoo must have free; undefined: nobody asks. */
export function freeSpace(config: FeedCuckooConfig) {
  return config.CheckFreeSpace ? { min: config.MinFreeSpace, unknown: config.FreeSpaceUnknown } : undefined
}

/** What is well-formed and still cannot be used, in words that name the key. */
export function unusable(config: FeedCuckooConfig): string[] {
  return [
    ...urlProblems({ CuckooURL: config.CuckooURL }),
    ...cuckooProblems(config),
    ...critsProblems(config),
    ...directoryProblems({ TmpDir: config.TmpDir || tmpdir() }),
  ]
}

/** What it needs of the world outside. */
export function looks(config: FeedCuckooConfig): Look[] {
  const { CuckooURL, CuckooTokens: apiTokens, CritsURL, AllowedCritsURLs, VerifySSL: verifySsl } = config
  const kind = config.Sandbox === 'auto' ? undefined : config.Sandbox
  return [
    ...sandboxLooks([CuckooURL], { verifySsl, apiTokens, kind }),
    ...critsLooks([CritsURL, ...AllowedCritsURLs].filter(Boolean), verifySsl, critsUser(process.env)),
    spaceLook('TmpDir', config.TmpDir || tmpdir(), config.MaxSampleSize * config.PrefetchCount),
  ]
}
