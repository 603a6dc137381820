// The command line of the demo.
import { userInfo } from 'node:os'
import { parseArgs } from 'node:util'

export const HELP = `npm run demo [-- [OPTIONS] [FILE…]]

Sends FILEs through the whole pipeline and shows what an analyst would see in CRITs. RabbitMQ and the four services are
real; Cuckoo and CRITs are stand-ins unless you name real ones. Without FILE a few harmless files are generated. The
demo stops everything and removes its files when it ends.

  --verbose            show every row that CRITs received, and its log
  --kill               kill the services and the broker during the run
  --fail               let a sample fail four times, show its dump, and resubmit it
  --cape               use a stand-in for CAPE, which reports more than Cuckoo
  --page               open the operators' page, and keep the demo running until Enter
  --deadline SECONDS   give up after this time (default 120, with a real Cuckoo 3600)
  --help               show this text

With a real Cuckoo (its API, e.g. http://cuckoo.example:8090), which analyses the samples and keeps the tasks:
  --cuckoo-url URL

With a real CRITs and exactly one FILE, the sample. The API of CRITs can neither create an analysis nor read results: run
any service on the sample first, name that analysis, and look at the results on the page of the sample.
  --crits-url URL      base URL of CRITs
  --api-key KEY        API key of the user
  --username NAME      owner of the key (default: your login name)
  --source NAME        source to file dropped files under (default: Internal)
  --analysis-id ID     the analysis that gets the results
  --object-id ID       id of the sample in CRITs; without it FILE is uploaded, which also finds an existing sample

RABBITMQ_URL=amqp://… uses that broker instead of a private one. The demo has its own queues and deletes them.
Exit code: 0 if every sample has arrived in CRITs, 1 if not, 2 for wrong arguments.
`

/** A CRITs that is not a stand-in, and the analysis in it that gets the results. */
export interface RealCrits {
  readonly url: string
  readonly apiKey: string
  readonly username: string
  readonly source: string
  readonly analysisId: string
  readonly objectId: string | undefined
}

export interface DemoArguments {
  readonly help: boolean
  /** Paths as they were given. */
  readonly files: readonly string[]
  readonly verbose: boolean
  /** The services and the private broker are killed on the way. */
  readonly kill: boolean
  readonly fail: boolean
  /** The stand-in is one for CAPE. */
  readonly cape: boolean
  /** The page of the overseer is opened, and the demo ends at Enter. */
  readonly page: boolean
  readonly deadlineMs: number
  /** Undefined: a stand-in. */
  readonly cuckooUrl: string | undefined
  /** Undefined: a stand-in. */
  readonly crits: RealCrits | undefined
}

/** The demo cannot do what was asked for; the message says why. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  readonly code = 'USAGE'
}

const text = { type: 'string' } as const
const flag = { type: 'boolean', default: false } as const
const OPTIONS = {
  verbose: flag,
  kill: flag,
  fail: flag,
  cape: flag,
  page: flag,
  help: flag,
  deadline: text,
  'cuckoo-url': text,
  'crits-url': text,
  'api-key': text,
  username: text,
  source: text,
  'analysis-id': text,
  'object-id': text,
} as const

type Values = ReturnType<typeof parse>['values']

/** Reads the arguments. Throws UsageError. */
export function readArguments(argv: readonly string[]): DemoArguments {
  const { values, positionals: files } = parse(argv)
  const crits = realCrits(values)
  const cuckooUrl = checkedUrl('cuckoo-url', values['cuckoo-url'])
  if (values.fail && (crits !== undefined || cuckooUrl !== undefined)) {
    throw new UsageError('--fail breaks the stand-in for Cuckoo: it does not go together with real servers')
  }
  if (values.kill && (values.fail || values.cape || cuckooUrl !== undefined)) {
    throw new UsageError(
      '--kill waits for a stand-in for Cuckoo: it does not go together with --fail, --cape and --cuckoo-url',
    )
  }
  if (values.kill && process.env.RABBITMQ_URL) {
    throw new UsageError('--kill kills the broker as well and needs one of its own: unset RABBITMQ_URL')
  }
  if (values.cape && (values.fail || cuckooUrl !== undefined)) {
    throw new UsageError('--cape is a stand-in of its own: it does not go together with --fail and --cuckoo-url')
  }
  if (crits !== undefined && files.length !== 1) {
    throw new UsageError('--crits-url needs exactly one FILE: the sample that was analysed')
  }
  const seconds = Number(values.deadline ?? (cuckooUrl === undefined ? 120 : 3600))
  if (!(seconds > 0 && seconds <= 86_400)) throw new UsageError('--deadline must be a number of seconds, at most 86400')
  const { help, verbose, kill, fail, cape, page } = values
  return { help, files, verbose, kill, fail, cape, page, deadlineMs: seconds * 1000, cuckooUrl, crits }
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true })
  } catch (error: unknown) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error })
  }
}

function realCrits(values: Values): RealCrits | undefined {
  const url = checkedUrl('crits-url', values['crits-url'])
  const { 'api-key': apiKey, 'analysis-id': analysisId, 'object-id': objectId } = values
  if (url === undefined) {
    const stray = (['api-key', 'username', 'source', 'analysis-id', 'object-id'] as const).find(name => values[name])
    if (stray !== undefined) throw new UsageError(`--${stray} is of use only with --crits-url`)
    return undefined
  }
  if (!apiKey || !analysisId) {
    throw new UsageError("--crits-url needs --api-key and --analysis-id (CRITs' API cannot create an analysis)")
  }
  const { username = userInfo().username, source = 'Internal' } = values
  return { url, apiKey, username, source, analysisId, objectId }
}

function checkedUrl(option: string, value: string | undefined): string | undefined {
  if (value === undefined) return undefined
  if (!/^https?:/.test(value) || !URL.canParse(value)) throw new UsageError(`--${option} must be an http or https URL`)
  return value.replace(/\/+$/, '')
}
