// The configuration of parse_and_submit.
import { tmpdir } from 'node:os'
import { ArchivePassword } from '@cuckoo-distributed/archive'
import { directoryProblems, type Look, prefetchKey, StageKeys, spaceLook } from '@cuckoo-distributed/core'
import { AllowedCritsURLs, CritsURL, critsLooks, critsProblems, critsUser } from '@cuckoo-distributed/crits-client'
import { displayUrl, parseBaseUrl, urlProblems, VerifySSL } from '@cuckoo-distributed/http'
import {
  AllowedCuckooURLs,
  CapeDeleteKey,
  CuckooAwayLimit,
  CuckooTokens,
  cuckooProblems,
  requestsPerMinuteKey,
  sandboxLooks,
} from '@cuckoo-distributed/sandbox-client'
import { TmpDir } from '@cuckoo-distributed/staging'
import Type, { type Static } from 'typebox'

export const configSchema = Type.Object(
  {
    ...StageKeys,
    ProducerQueue: Type.String({
      default: '',
      description:
        'Next instance of a chain; empty or equal to `ConsumerQueue` = this is the last one, which finishes the analysis',
    }),
    VerifySSL,
    PrefetchCount: prefetchKey(
      10,
      'Messages processed at a time; `CuckooConcurrency` is how many of them hold report data',
    ),
    PushApiCallsMax: Type.Integer({
      default: 1000,
      minimum: 0,
      description: 'Largest number of API calls to send to CRITs for an analysis',
    }),
    CuckooCleanup: Type.Boolean({
      default: false,
      description: 'Delete the task from Cuckoo at the end; only the last instance of a chain does so',
    }),
    CapeDelete: CapeDeleteKey,
    EnabledParsers: Type.Array(
      Type.Union([
        Type.Literal('info'),
        Type.Literal('signatures'),
        Type.Literal('behavior'),
        Type.Literal('dropped'),
        Type.Literal('network'),
        Type.Literal('configs'),
        Type.Literal('detections'),
        Type.Literal('pcap'),
        Type.Literal('payloads'),
        Type.Literal('procdump'),
        Type.Literal('screenshots'),
      ]),
      {
        default: ['info', 'signatures', 'behavior', 'dropped'],
        description:
          'What to send to CRITs: `info`, `signatures`, `behavior`, `dropped`, `network`, `configs`, `detections`, `pcap`, `payloads`, `procdump`, `screenshots`',
      },
    ),
    ScreenshotsMax: Type.Integer({
      default: 5,
      minimum: 1,
      description: 'Largest number of screenshots to send to CRITs for an analysis; the first ones are sent',
    }),
    CuckooConcurrency: Type.Integer({
      default: 2,
      minimum: 1,
      maximum: 100,
      description:
        'Messages that may download from one Cuckoo and hold report data at a time, and twice as many for all Cuckoos together; the web server of Cuckoo has one thread',
    }),
    CritsURL,
    AllowedCritsURLs,
    AllowedCuckooURLs,
    CuckooAwayLimit,
    CuckooTokens,
    RequestsPerMinute: requestsPerMinuteKey(2),
    SandboxWebURLs: Type.Record(Type.String(), Type.String({ minLength: 1 }), {
      default: {},
      description:
        'Web interfaces by base URL of the sandbox, `{"http://cuckoo:8090": "http://cuckoo:8000"}`; `info` then has an `analysis link` instead of `analysis_id`',
    }),
    CritsPause: Type.Number({
      default: 0,
      minimum: 0,
      maximum: 60,
      description: 'Seconds to wait after each call to CRITs before the next one',
    }),
    TmpDir,
    ArchivePassword,
  },
  { additionalProperties: false },
)

export type Config = Readonly<Static<typeof configSchema>>

/** Milliseconds. */
export function critsPauseMs({ CritsPause }: Config): number {
  return CritsPause * 1000
}

/** What is sent to CRITs. */
export type Parser = Config['EnabledParsers'][number]

/** Requests to a sandbox for one analysis: the task, its report, its dropped files, its deletion, and one for each other kind of files. */
export function requestsOf({ EnabledParsers }: Config): number {
  const others: readonly Parser[] = ['pcap', 'payloads', 'procdump', 'screenshots']
  return 4 + others.filter(parser => EnabledParsers.includes(parser)).length
}

/** Whether the report is read for it; the others are about files that lie beside it. */
export function isInReport(parser: Parser): boolean {
  return !['dropped', 'pcap', 'screenshots'].includes(parser)
}

/** What is well-formed and still cannot be used, in words that name the key. */
export function unusable(config: Config): string[] {
  return [
    ...cuckooProblems(config),
    ...critsProblems(config),
    ...urlProblems(webUrlsOf(config), { userInfo: 'refused' }),
    ...directoryProblems({ TmpDir: config.TmpDir || tmpdir() }),
  ]
}

function webUrlsOf({ SandboxWebURLs }: Config): Record<string, string[]> {
  return { SandboxWebURLs: Object.entries(SandboxWebURLs).flat() }
}

/** Where the sandbox at this base URL shows its analyses to people, without a slash at its end; undefined if nobody says. */
export function webUrlOf({ SandboxWebURLs }: Config, sandbox: URL): string | undefined {
  const own = displayUrl(sandbox)
  const entry = Object.entries(SandboxWebURLs).find(([url]) => displayUrl(parseBaseUrl(url)) === own)
  return entry && displayUrl(parseBaseUrl(entry[1]))
}

/** One archive and the largest file out of it are not what most analyses need. */
const SPACE = 2 ** 30

/** What it needs of the world outside. */
export function looks(config: Config): Look[] {
  const { AllowedCuckooURLs, CuckooTokens, CritsURL, AllowedCritsURLs, VerifySSL: verifySsl } = config
  return [
    ...sandboxLooks([...AllowedCuckooURLs, ...Object.keys(CuckooTokens)], { verifySsl, apiTokens: CuckooTokens }),
    ...critsLooks([CritsURL, ...AllowedCritsURLs].filter(Boolean), verifySsl, critsUser(process.env)),
    spaceLook('TmpDir', config.TmpDir || tmpdir(), SPACE),
  ]
}
