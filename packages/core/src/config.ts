// Reads a configuration file: every problem at once, unknown keys refused, environment variables filled in, result frozen.
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Static, TObject } from 'typebox'
import { ConfigError, describeError, errorCode } from './errors.js'
import { parseJsonText } from './json.js'
import { redactText } from './redact.js'
import { type Problem, problemsOf, validator } from './schema.js'
import { fillVariables, isUserInfoBroken, PERCENT_ENCODE } from './user-info.js'

/**
 * The file a service reads when no path is given: `<service>.conf.json` in the current directory, then beside the
 * executable. Undefined when there is neither.
 */
export function findConfigFile(service: string, executable: string): string | undefined {
  return candidates(service, executable).find(path => existsSync(path))
}

/** What to say when that file is needed and missing. */
export function noConfigFile(service: string, executable: string): ConfigError {
  const places = candidates(service, executable).join(' and no ')
  return new ConfigError(`${service}.conf.json`, [`there is no ${places}; name the file with --config PATH`])
}

function candidates(service: string, executable: string): string[] {
  const name = `${service}.conf.json`
  return [resolve(name), join(dirname(executable), name)]
}

export interface LoadOptions {
  /** May change what the file holds, `{}` when there is none, before it is checked. */
  amend?(file: object): object
  /** Told what is accepted and should be written in another way, one line each. */
  warn?(warning: string): void
}

/**
 * Loads a file against a schema. `${NAME}` in a text is replaced from `env`; defaults are filled in. The case of names
 * does not count, as for the Go suite's decoder. Throws ConfigError with all problems.
 */
export async function loadConfig<S extends TObject, C = Static<S>>(
  path: string | undefined,
  schema: S,
  env: Readonly<Record<string, string | undefined>>,
  { amend = file => file, warn = () => {} }: LoadOptions = {},
): Promise<Readonly<C>> {
  const file = path === undefined ? {} : await readJson(path)
  const problems: Problem[] = []
  const known = Object.keys(schema.properties)
  const filled = Object.entries(file).map(([written, item]) => {
    const key = knownName(written, { file, known, problems, warn })
    return [key, fillEnvironment(item, env, key, problems)]
  })
  const value = amend(Object.fromEntries(filled))
  findBrokenUserInfo(value, '', problems)
  const isValid = validator<S, C>(schema, { fillDefaults: true })
  const valid = isValid(value)
  if (!valid) problems.push(...problemsOf(isValid.errors))
  if (valid && problems.length === 0) return deepFreeze(value)
  throw new ConfigError(
    path ?? 'arguments',
    problems.map(({ field, problem }) => `"${redactText(field)}" ${problem}${hint({ field, problem }, schema)}`),
  )
}

function unreadable(error: unknown): string {
  const code = errorCode(error)
  if (code === 'ENOENT') return 'there is no such file'
  return code === 'EISDIR' ? 'is a directory, not a file' : `cannot be read: ${describeError(error)}`
}

async function readJson(path: string): Promise<object> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error: unknown) {
    throw new ConfigError(path, [unreadable(error)])
  }
  let value: unknown
  try {
    value = parseJsonText(text)
  } catch (error: unknown) {
    throw new ConfigError(path, [describeError(error)])
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ConfigError(path, ['must hold one JSON object'])
  }
  return value
}

interface NameContext {
  readonly file: object
  readonly known: readonly string[]
  readonly problems: Problem[]
  warn(warning: string): void
}

function knownName(written: string, { file, known, problems, warn }: NameContext): string {
  if (known.includes(written)) return written
  const name = known.find(candidate => candidate.toLowerCase() === written.toLowerCase())
  if (name === undefined) return written
  if (name in file) problems.push({ field: written, problem: `is there as "${name}" as well` })
  warn(`"${written}" is taken as "${name}"; write it like that`)
  return name
}

/** Containers in each other that a key may hold; no schema has more than two. */
const MAX_DEPTH = 8

function fillEnvironment(
  value: unknown,
  env: Readonly<Record<string, string | undefined>>,
  field: string,
  problems: Problem[],
  depthLeft = MAX_DEPTH,
): unknown {
  if (typeof value === 'string') {
    return fillVariables(value, name => {
      const found = env[name]
      if (found === undefined)
        problems.push({ field, problem: `names the environment variable ${name}, which is not set` })
      return found
    })
  }
  if (typeof value !== 'object' || value === null) return value
  if (depthLeft === 0) {
    problems.push({ field, problem: 'is nested too deep' })
    return null
  }
  const entries = Object.entries(value).map(([key, item]) => {
    return [key, fillEnvironment(item, env, `${field}.${key}`, problems, depthLeft - 1)] as const
  })
  return Array.isArray(value) ? entries.map(([, item]) => item) : Object.fromEntries(entries)
}

/** Every text is looked at, and every name in an object: a URL may be either. */
function findBrokenUserInfo(value: unknown, field: string, problems: Problem[]): void {
  if (typeof value === 'string' && isUserInfoBroken(value)) problems.push({ field, problem: PERCENT_ENCODE })
  if (typeof value !== 'object' || value === null) return
  for (const [key, item] of Object.entries(value)) {
    if (isUserInfoBroken(key)) problems.push({ field, problem: PERCENT_ENCODE })
    findBrokenUserInfo(item, Array.isArray(value) || field !== '' ? field : key, problems)
  }
}

function hint({ field, problem }: Problem, schema: TObject): string {
  if (problem !== 'is unknown') return ''
  const nearest = nearestName(field, Object.keys(schema.properties))
  return nearest === undefined ? '; this service has no such key' : `; did you mean "${nearest}"?`
}

/** The known name that is at most three edits away, case not counted. */
function nearestName(name: string, known: readonly string[]): string | undefined {
  const ranked = known
    .filter(candidate => Math.abs(candidate.length - name.length) <= 3)
    .map(candidate => ({ candidate, distance: editDistance(name.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)
  const [best] = ranked
  return best && best.distance <= 3 ? best.candidate : undefined
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (const [i, letter] of [...a].entries()) {
    const row = [i + 1]
    for (const [j, other] of [...b].entries()) {
      const above = previous[j + 1] ?? 0
      const left = row[j] ?? 0
      const diagonal = previous[j] ?? 0
      row.push(Math.min(above + 1, left + 1, diagonal + (letter === other ? 0 : 1)))
    }
    previous = row
  }
  return previous[b.length] ?? 0
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) deepFreeze(inner)
    Object.freeze(value)
  }
  return value
}
