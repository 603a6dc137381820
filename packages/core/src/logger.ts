// Structured log lines: JSON to stdout and, when LogFile is set, to that file as well.
import { mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { destination, type Logger, multistream, pino } from 'pino'
import { ConfigError, describeError, errorCode, toError } from './errors.js'

export type { Logger } from 'pino'

export type LogLevel = 'debug' | 'info' | 'warning'

export interface LogConfig {
  /** Path of a file to append to; empty = stdout only. */
  readonly LogFile: string
  readonly LogLevel: LogLevel
}

/** Values under these keys never reach a log line, however deep a caller puts them (two levels are enough for ours). */
const SECRET_KEYS = [
  'api_key',
  'apiKey',
  'password',
  'authorization',
  'Amqp',
  'token',
  'data',
  'body',
  'Msg',
  'msgBase64',
]

/**
 * Makes the process's logger. The file is opened at once (mode 0600, appended to, so that copy-and-truncate rotation
 * works). Throws ConfigError when it cannot be.
 */
export function createLogger(service: string, config: LogConfig): Logger {
  const level = config.LogLevel === 'warning' ? 'warn' : config.LogLevel
  const streams = [{ level, stream: enduring(destination({ fd: 1, sync: true }), 'stdout') }]
  if (config.LogFile !== '') streams.push({ level, stream: enduring(openLogFile(config.LogFile), config.LogFile) })
  return pino(
    {
      level,
      base: { service, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: label => ({ level: label === 'warn' ? 'warning' : label }) },
      serializers: { err: serializeError },
      redact: { paths: SECRET_KEYS.flatMap(key => [key, `*.${key}`, `*.*.${key}`]), censor: '[hidden]' },
    },
    multistream(streams),
  )
}

/** Drops lines that cannot be written, e.g. to a full disk: a message must not be lost because its log line was. */
function enduring(stream: { write(line: string): unknown }, name: string) {
  let failing = false
  return {
    write(line: string): void {
      try {
        stream.write(line)
        failing = false
      } catch (error) {
        if (!failing) process.stderr.write(`log lines cannot be written to ${name}: ${describeError(error)}\n`)
        failing = true
      }
    },
  }
}

/** One line when a server goes away, and one when it is back. */
export function logAvailability(log: Logger, server: string, state: 'up' | 'down', error: unknown): void {
  if (state === 'up') log.info({ server }, 'the server answers again')
  else log.warn({ server, cause: describeError(error) }, 'the server is away; waiting for it')
}

function openLogFile(path: string) {
  try {
    mkdirSync(dirname(path), { recursive: true })
    return destination({ fd: openSync(path, 'a', 0o600), sync: true })
  } catch (thrown) {
    throw new ConfigError('LogFile', [`"LogFile": ${path} cannot be opened for writing: ${describeError(thrown)}`])
  }
}

function serializeError(thrown: unknown): Record<string, unknown> {
  const error = toError(thrown)
  return { type: error.name, code: errorCode(error), message: describeError(error), stack: error.stack }
}
