// Dumps of all overseers that can be asked: each host has its own DumpDir.
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { askReaders, ConfigError, counted, describeError, withBroker } from '@cuckoo-distributed/core'
import { timeLimit } from '@cuckoo-distributed/wait'
import type { OverseerConfig } from '../config.js'
import { type Answers, askOverseers, CONNECT_MS, type Whom } from '../journal/ask.js'
import { placeOf } from '../journal/journal.js'
import { type DumpsCall, MOST_NAMES, type Sender } from '../journal/questions.js'
import { type DumpsAnswer, type DumpWithName, decodeDumps, decodeDumpWithName } from './answers.js'
import { type Dump, listDumps } from './envelope.js'
import { dumpsLike, type Filters, namedDumps, selectDumps } from './select.js'

export interface LocatedDump extends Dump {
  /** The host, with the directory if several of them are on it. */
  readonly host: string
}

export interface AllDumps {
  /** Oldest first. */
  readonly dumps: readonly LocatedDump[]
  /** The host of the DumpDir of the configuration, as dumps have it. */
  readonly own: string
  /** What is not known, and why. */
  readonly problems: readonly string[]
}

interface Asked<A> {
  /** Without the DumpDir of the configuration, and each DumpDir once. */
  readonly answers: readonly A[]
  readonly problems: readonly string[]
}

/** Those in DumpDir and those of other overseers. Rejects with `stop.reason`, and the errors of the file system. */
export async function allDumps(
  config: OverseerConfig,
  filters: Filters,
  whom: Whom,
  stop: AbortSignal,
): Promise<AllDumps> {
  const dir = resolve(config.DumpDir)
  const here = { host: hostname(), dumpDir: placeOf(dir), dumps: await selectDumps(dir, filters) }
  const { answers, problems } = await dumpsElsewhere(config, filters, whom, stop)
  const labels = labelsOf([here, ...answers])
  const dumps = [here, ...answers].flatMap(({ dumpDir, dumps: each }) =>
    each.map(dump => ({ ...dump, host: labels.get(dumpDir) ?? dumpDir })),
  )
  return {
    dumps: dumps.sort((a, b) => a.at - b.at || a.name.localeCompare(b.name)),
    own: labels.get(here.dumpDir) ?? here.dumpDir,
    problems,
  }
}

/** Those of other overseers, each DumpDir once, the oldest dumps first. Rejects with `stop.reason` only. */
export async function dumpsElsewhere(
  config: OverseerConfig,
  filters: Filters,
  whom: Whom,
  stop: AbortSignal,
): Promise<Asked<DumpsAnswer>> {
  const { answers, problems } = await askElsewhere(config, { kind: 'dumps', filters }, decodeDumps, whom, stop)
  const cut = answers
    .filter(({ more }) => more > 0)
    .map(({ more, dumpDir }) => `${dumpDir}: ${more} older dumps are not shown`)
  return { answers, problems: [...cut, ...problems] }
}

/** Where else there are dumps that fit, and what is not known, in words. Rejects with `stop.reason` only. */
export async function remarksElsewhere(config: OverseerConfig, filters: Filters, stop: AbortSignal): Promise<string[]> {
  const { answers, problems } = await dumpsElsewhere(config, filters, { hosts: [], limitMs: ANSWER_MS }, stop)
  const having = answers.filter(({ dumps }) => dumps.length > 0)
  const places = having.map(({ dumps, more, dumpDir }) => {
    return `${counted(dumps.length + more, 'dump')} in ${dumpDir}: run the command there`
  })
  return [...places, ...problems]
}

/** The only dump with such a name on another host. Throws ConfigError, and `stop.reason`. */
export async function dumpElsewhere(
  config: OverseerConfig,
  name: string,
  whom: Whom,
  stop: AbortSignal,
): Promise<DumpWithName> {
  const { answers, problems } = await askElsewhere(
    config,
    { kind: 'dump', names: [name] },
    decodeDumpWithName,
    whom,
    stop,
  )
  const having = answers.filter(({ names }) => names.length > 0)
  const count = having.reduce((sum, { names }) => sum + names.length, 0)
  const [found] = having
  if (found === undefined || count !== 1) {
    const places = having.map(({ dumpDir }) => dumpDir).join(', ')
    const where = places === '' ? '' : ` in ${places}`
    throw new ConfigError('DumpDir', [
      `${name}: ${count || 'no'} dumps have names that begin like this${where}`,
      ...problems,
    ])
  }
  return found
}

/** As `namedDumps`, for those in DumpDir; who else has them is said. Throws ConfigError, `stop.reason`, and the errors of the file system. */
export async function ownDumps(config: OverseerConfig, names: readonly string[], stop: AbortSignal): Promise<Dump[]> {
  const dumps = await listDumps(resolve(config.DumpDir))
  const missing = names.filter(name => dumpsLike(dumps, name).length === 0).slice(0, MOST_NAMES)
  if (missing.length === 0) return namedDumps(dumps, names)
  const whom = { hosts: [], limitMs: ANSWER_MS }
  const call: DumpsCall = { kind: 'dump', names: missing }
  const { answers, problems } = await askElsewhere(config, call, decodeDumpWithName, whom, stop)
  const texts = missing.map(name => {
    const having = answers.filter(answer => answer.names.some(each => each.startsWith(name)))
    const places = having.map(({ dumpDir }) => dumpDir).join(', ')
    return `${name}: no dump has a name that begins like this${places === '' ? '' : ` here; ${places} has it: run the command there`}`
  })
  throw new ConfigError('DumpDir', [...texts, ...problems])
}

const ANSWER_MS = 2000

/** Rejects with `stop.reason` only. */
async function askElsewhere<A extends Sender & { readonly dumpDir: string }>(
  config: OverseerConfig,
  call: DumpsCall,
  decode: (body: Buffer) => A | undefined,
  { hosts, limitMs }: Whom,
  stop: AbortSignal,
): Promise<Asked<A>> {
  try {
    using limit = timeLimit(stop, CONNECT_MS, new Error(`it could not be reached within ${CONNECT_MS / 1000} s`))
    const { answers, silent } = await withBroker(config, limit.signal, (connection): Promise<Answers<A>> => {
      const reader = { failedQueue: config.ConsumerQueue, limitMs }
      return askOverseers(
        (question, hear) => askReaders(connection, { ...reader, question, hear }),
        call,
        decode,
        hosts,
      )
    })
    const byDir = new Map(answers.map(answer => [answer.dumpDir, answer]))
    byDir.delete(placeOf(resolve(config.DumpDir)))
    return { answers: [...byDir.values()], problems: silent.map(silence) }
  } catch (error: unknown) {
    stop.throwIfAborted()
    return {
      answers: [],
      problems: [`other overseers cannot be asked: ${describeError(error)}`, ...hosts.map(silence)],
    }
  }
}

/** A place is a host with the directory of its journal. */
function silence(place: string): string {
  return `no answer from the overseer of ${place}; its dumps are not shown`
}

function labelsOf(sources: readonly { readonly host: string; readonly dumpDir: string }[]): Map<string, string> {
  const isAlone = (host: string) => sources.filter(source => source.host === host).length === 1
  return new Map(sources.map(({ host, dumpDir }) => [dumpDir, isAlone(host) ? host : dumpDir]))
}
