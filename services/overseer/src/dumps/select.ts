// Which dumps are meant: by name, or by what they say of themselves.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Arguments, ConfigError, errorCode, InvalidMessageError } from '@cuckoo-distributed/core'
import { cutString } from '@cuckoo-distributed/json-scanner'
import { Body, type BodySubject } from '../body.js'
import { decodeDump } from '../dump-file.js'
import { type Dump, listDumps } from './envelope.js'

export interface Filters {
  readonly service?: string | undefined
  readonly queue?: string | undefined
  readonly code?: string | undefined
  /** Milliseconds since it failed: at least, and at most. */
  readonly minAgeMs?: number | undefined
  readonly maxAgeMs?: number | undefined
  /** Id of the analysis, or MD5 of its sample. */
  readonly analysis?: string | undefined
  /** Somewhere in its name, its error or its history, whatever the case of letters. */
  readonly text?: string | undefined
}

/** The options of all commands that choose among dumps. */
export const FILTERS = {
  service: { type: 'string', requiresArg: true, describe: 'Only dumps of this service' },
  queue: { type: 'string', requiresArg: true, describe: 'Only dumps that failed in this queue' },
  code: { type: 'string', requiresArg: true, describe: 'Only dumps with this failure code' },
  older: {
    type: 'string',
    requiresArg: true,
    describe: 'Only dumps that failed longer ago than this, e.g. 90s, 15m, 2h, 3d',
  },
  newer: { type: 'string', requiresArg: true, describe: 'Only dumps that failed more recently than this' },
  analysis: {
    type: 'string',
    requiresArg: true,
    describe: 'Only dumps of this analysis, or of the sample with this MD5',
  },
  text: { type: 'string', requiresArg: true, describe: 'Only dumps with this text in name, error or history' },
} as const

export function hasFilter(args: Arguments): boolean {
  return Object.keys(FILTERS).some(name => args[name] !== undefined)
}

/** Throws ConfigError. */
export function filtersIn(args: Arguments): Filters {
  return {
    service: textIn(args, 'service'),
    queue: textIn(args, 'queue'),
    code: textIn(args, 'code'),
    minAgeMs: ageIn(args, 'older'),
    maxAgeMs: ageIn(args, 'newer'),
    analysis: textIn(args, 'analysis'),
    text: textIn(args, 'text'),
  }
}

/** Of an option that is given twice the last counts. */
export function textIn(args: Arguments, name: string): string | undefined {
  const value: unknown = [args[name]].flat().at(-1)
  return value === undefined ? undefined : String(value)
}

const UNITS = { s: 1, m: 60, h: 3600, d: 86_400 } as const

function ageIn(args: Arguments, name: string): number | undefined {
  const text = textIn(args, name)
  if (text === undefined) return undefined
  const { count, unit = 's' } = /^(?<count>\d{1,9})(?<unit>[smhd])?$/.exec(text)?.groups ?? {}
  if (count === undefined || !isUnit(unit)) {
    throw new ConfigError('arguments', [`--${name}: must be a number followed by s, m, h or d, not ${text}`])
  }
  return Number(count) * UNITS[unit] * 1000
}

function isUnit(unit: string): unit is keyof typeof UNITS {
  return unit in UNITS
}

/** The dumps that the filters of a command line choose. Throws ConfigError, and the errors of the file system. */
export function chosenDumps(dir: string, args: Arguments, dumps?: readonly Dump[]): Promise<Dump[]> {
  return selectDumps(dir, filtersIn(args), Date.now(), dumps)
}

/** `dumps`: those of the directory, by somebody who has just listed them. Throws the errors of the file system. */
export async function selectDumps(
  dir: string,
  filters: Filters,
  now = Date.now(),
  dumps?: readonly Dump[],
): Promise<Dump[]> {
  const chosen = (dumps ?? (await listDumps(dir))).filter(dump => fits(dump, filters, now))
  if (filters.analysis === undefined) return chosen
  const own: Dump[] = []
  for (const dump of chosen) {
    const { crits } = (await subjectOf(dir, dump)) ?? {}
    if ([crits?.analysisId, crits?.md5].includes(filters.analysis.toLowerCase())) own.push(dump)
  }
  return own
}

function fits({ name, at, failed }: Dump, filters: Filters, now: number): boolean {
  const { service, queue, code, minAgeMs = Number.NEGATIVE_INFINITY, maxAgeMs = Number.POSITIVE_INFINITY } = filters
  const isLike = (wanted: string | undefined, is: string | undefined) => wanted === undefined || wanted === is
  const isOfAge = now - at >= minAgeMs && now - at <= maxAgeMs
  const texts = [name, failed?.error, failed?.code, ...(failed?.history ?? []).map(({ error }) => error)]
  const text = filters.text?.toLowerCase()
  return (
    isLike(service, failed?.service) &&
    isLike(queue, failed?.queue) &&
    isLike(code, failed?.code ?? NO_FAILED_MESSAGE) &&
    isOfAge &&
    (text === undefined || texts.some(each => each?.toLowerCase().includes(text)))
  )
}

/** What stands in place of a code for what is no failed message. */
export const NO_FAILED_MESSAGE = 'NO_FAILED_MESSAGE'

/** The dumps of these names; each may be cut short as long as it is clear which one is meant. Throws ConfigError. */
export function namedDumps(dumps: readonly Dump[], names: readonly string[]): Dump[] {
  const problems: string[] = []
  const found = names.flatMap(name => {
    const candidates = dumpsLike(dumps, name)
    if (candidates.length !== 1)
      problems.push(`${name}: ${candidates.length || 'no'} dumps have names that begin like this`)
    return candidates
  })
  if (problems.length > 0) throw new ConfigError('DumpDir', problems)
  return [...new Set(found)]
}

/** The one of that name; without one, those whose names begin so. */
export function dumpsLike(dumps: readonly Dump[], name: string): Dump[] {
  const fitting = dumps.filter(dump => dump.name === name)
  return fitting.length > 0 ? fitting : dumps.filter(dump => dump.name.startsWith(name))
}

/** Whose analysis it is; undefined when that cannot be told. */
export async function subjectOf(dir: string, { file }: Pick<Dump, 'file'>): Promise<BodySubject | undefined> {
  try {
    const bytes = await readFile(join(dir, file))
    return bodyOf(bytes).findSubject()
  } catch (error: unknown) {
    if (error instanceof InvalidMessageError || errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

function bodyOf(bytes: Buffer): Body {
  const { value } = cutString(bytes, ['Msg'])
  const isQuoted = value?.subarray(0, 2).equals(Buffer.from('\\"')) === true
  if (value && !isQuoted) return Body.escaped(value)
  try {
    return Body.plain(decodeDump(bytes).body)
  } catch (error: unknown) {
    if (error instanceof InvalidMessageError) return Body.plain(bytes)
    throw error
  }
}
