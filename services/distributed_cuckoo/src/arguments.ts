/** The command line of the original, and what we add to it. */
import { readFileSync } from 'node:fs'
import { type Arguments, ConfigError, describeError, validator } from '@cuckoo-distributed/core'
import type { Options, PositionalOptions } from 'yargs'
import { DistributedSchema } from './config.js'

type Read = (value: string) => unknown

interface Option {
  readonly key: string
  readonly describe: string
  readonly read?: Read
  /** What the value must be, in words. */
  readonly fits?: string
}

/** What a server must have, for commands that start none. */
const ANYWHERE = { SamplesDirectory: '.', ReportsDirectory: '.', ReportFormats: ['json'] }

const REQUIRED = ['samples-directory', 'report-formats', 'reports-directory']

export const positionals: Readonly<Record<string, PositionalOptions>> = {
  host: { type: 'string', describe: 'Host to listen on; default 127.0.0.1 (the original: all interfaces)' },
  port: { type: 'string', describe: 'Port to listen on; default 9003' },
}

/** Options that take a value, by name. Each is a key of the configuration file as well. */
const VALUES: Readonly<Record<string, Option>> = {
  db: { key: 'Database', describe: 'Database connection string; default sqlite:///dist.db' },
  'samples-directory': { key: 'SamplesDirectory', describe: 'Samples directory; required' },
  'uptime-logfile': { key: 'UptimeLogfile', describe: 'Uptime logfile path' },
  'report-formats': {
    key: 'ReportFormats',
    describe: 'Reporting formats to fetch, e.g. json,html; required',
    read: splitList,
    fits: 'names separated by commas, each of at most 64 letters, digits, dots, hyphens and underscores',
  },
  'reports-directory': { key: 'ReportsDirectory', describe: 'Reports directory; required' },
  'api-token': {
    key: 'ApiToken',
    describe: 'Bearer token that clients must send; visible here to every user of this machine',
  },
  'token-file': { key: 'ApiToken', describe: 'File with the bearer token', read: readToken },
  'allowed-hosts': {
    key: 'AllowedHosts',
    describe: 'Host names by which clients may reach it without a token, separated by commas',
    read: splitList,
    fits: 'names and addresses without port, separated by commas',
  },
  interval: {
    key: 'Interval',
    describe: 'Seconds between two checks of a node; default 30',
    read: readNumber,
    fits: 'a number of seconds, 0.05 or more',
  },
  threshold: {
    key: 'Threshold',
    describe: 'Pending tasks that a node may have; default 500',
    read: readNumber,
    fits: 'a whole number, 1 or more',
  },
  'node-timeout': {
    key: 'NodeTimeout',
    describe: 'Seconds after which tasks of an unreachable node are sent to another',
    read: readNumber,
    fits: 'a number of seconds, 0.1 or more',
  },
  'max-upload': {
    key: 'MaxUpload',
    describe: 'Largest sample, in bytes; default 1 GiB',
    read: readNumber,
    fits: 'a whole number of bytes, 1 or more',
  },
}

const PORT: Option = { key: 'Port', describe: '', read: readNumber, fits: 'a whole number from 0 to 65535' }

export const options: Readonly<Record<string, Options>> = {
  debug: { alias: 'd', type: 'boolean', describe: 'Enable debug logging' },
  ...Object.fromEntries(
    Object.entries(VALUES).map(([name, { describe }]) => {
      return [name, { type: 'string', requiresArg: true, describe } satisfies Options]
    }),
  ),
  'node-token': {
    type: 'array',
    string: true,
    requiresArg: true,
    describe: 'URL=FILE: bearer token of the node at this URL, kept in a file',
  },
  'keep-samples': { type: 'boolean', describe: 'Keep samples of finished tasks until they are deleted' },
}

/** The configuration: what the arguments say goes before what the file says. Throws ConfigError. */
export function mergeArguments(file: object, args: Arguments): object {
  const isCommand = Array.isArray(args._) && args._.length > 0
  // A command that names its server needs no configuration of one.
  const config: Record<string, unknown> = isCommand && args.url !== undefined ? { ...ANYWHERE, ...file } : { ...file }
  for (const [name, option] of Object.entries(VALUES)) {
    const value = last(args[name])
    if (value !== undefined) config[option.key] = readOption(`--${name}`, option, value)
  }
  const [host, port] = [last(args.host), last(args.port)]
  if (host !== undefined) config.Host = host
  if (port !== undefined) config.Port = readOption('port', PORT, port)
  if (args.debug === true) config.LogLevel = 'debug'
  if (args['keep-samples'] === true) config.KeepSamples = true
  const tokens = readTokens(args['node-token'])
  if (tokens.length > 0) config.NodeTokens = { ...members(config.NodeTokens), ...Object.fromEntries(tokens) }
  const missing = REQUIRED.filter(name => config[VALUES[name]?.key ?? ''] === undefined)
  if (missing.length > 0 && isCommand) {
    throw new ConfigError('arguments', ['name the server: --url URL, or its configuration with --config FILE'])
  }
  if (missing.length > 0) throw new ConfigError('arguments', [...missing.map(name => `--${name} is missing`), USAGE])
  return config
}

/** What does not fit is named as it was given, since whoever gave it may never have seen a key. */
function readOption(
  name: string,
  { key, read = keep, fits = 'a text that is not empty' }: Option,
  text: string,
): unknown {
  const value = read(text)
  const [, schema] = Object.entries(DistributedSchema.properties).find(([property]) => property === key) ?? []
  if (schema === undefined || validator(schema)(value)) return value
  throw new ConfigError('arguments', [`${name} must be ${fits}`])
}

const USAGE = `usage: distributed_cuckoo [-h] [-d] [--db DB] [--uptime-logfile FILE] --samples-directory DIR --report-formats LIST --reports-directory DIR [host] [port]; or --config FILE`

/** Completes an option of which only the beginning is given, if there is one such option, as Python's argparse does. */
export function completeOptions(argv: readonly string[]): string[] {
  const names = [...Object.keys(options), 'config', 'check-config', 'connect', 'help', 'version']
  return argv.map(argument => {
    const [, prefix = '', rest = ''] = /^--([a-z][a-z-]*)(=.*)?$/s.exec(argument) ?? []
    if (prefix === '' || names.includes(prefix)) return argument
    const [name, ...others] = names.filter(candidate => candidate.startsWith(prefix))
    return name === undefined || others.length > 0 ? argument : `--${name}${rest}`
  })
}

function readTokens(values: unknown): [url: string, token: string][] {
  return (Array.isArray(values) ? values : []).map(value => {
    const [, url, path] = /^([^=]+)=(.+)$/.exec(String(value)) ?? []
    if (url === undefined || path === undefined) throw new ConfigError('arguments', ['--node-token must be URL=FILE'])
    return [url, readToken(path)]
  })
}

function readToken(path: string): string {
  let token: string
  try {
    token = readFileSync(path, 'utf8').trim()
  } catch (error: unknown) {
    throw new ConfigError('arguments', [`the token file ${path} cannot be read: ${describeError(error)}`])
  }
  // An empty token would mean that none is demanded.
  if (token === '') throw new ConfigError('arguments', [`the token file ${path} is empty`])
  return token
}

/** Of an option that is given twice the last counts, as with argparse. */
function last(value: unknown): string | undefined {
  const single: unknown = Array.isArray(value) ? value.at(-1) : value
  return single === undefined ? undefined : String(single)
}

function members(value: unknown): object {
  return typeof value === 'object' && value !== null ? value : {}
}

function keep(value: string): string {
  return value
}

function splitList(value: string): string[] {
  const items = value.split(',').map(item => item.trim())
  return [...new Set(items.filter(item => item !== ''))]
}

/** What is no number is left as it is, and does not fit. */
function readNumber(value: string): number | string {
  return value.trim() === '' || Number.isNaN(Number(value)) ? value : Number(value)
}
