// Structured log lines: JSON to stdout and, when LogFile is set, to that file as well.
import { appendFileSync, closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { type Bindings, type ChildLoggerOptions, destination, type Logger, multistream, pino } from 'pino'
import { ConfigError, describeError, errorCode, toError } from './errors.js'
import { redactFields, redactText } from './redact.js'

export type { Logger } from 'pino'

export type LogLevel = 'debug' | 'info' | 'warning'

export interface LogConfig {
  /** Path of a file to append to; empty = stdout only. */
  readonly LogFile: string
  readonly LogLevel: LogLevel
}

/** The file that log lines are appended to. */
export class LogFile {
  readonly path: string
  #fd: number

  /** Opens the file (mode 0600) and makes its folder. Throws ConfigError. */
  constructor(path: string) {
    this.path = path
    try {
      mkdirSync(dirname(path), { recursive: true })
      this.#fd = openSync(path, 'a', 0o600)
    } catch (thrown: unknown) {
      throw new ConfigError('LogFile', [`"LogFile": ${path} cannot be opened for writing: ${describeError(thrown)}`])
    }
  }

  write(line: string): void {
    appendFileSync(this.#fd, line)
  }

  /** Goes on in a new file of the same name, for whoever has renamed the old one. Throws, and goes on in the old one. */
  reopen(): void {
    const old = this.#fd
    this.#fd = openSync(this.path, 'a', 0o600)
    closeSync(old)
  }
}

/**
 * Makes the process's logger; on `stderr` only warnings and errors, beside what a command says. Secrets are hidden in whatever is
 * logged, bindings of child loggers included.
 * Throws ConfigError when the file cannot be opened.
 */
export function createLogger(
  service: string,
  config: LogConfig,
  file = openLogFile(config),
  output: 'stdout' | 'stderr' = 'stdout',
): Logger {
  const level = config.LogLevel === 'warning' ? 'warn' : config.LogLevel
  const screen = destination({ fd: output === 'stdout' ? 1 : 2, sync: true })
  const streams = [{ level: output === 'stdout' ? level : ('warn' as const), stream: enduring(screen, output) }]
  if (file) streams.push({ level, stream: enduring(file, file.path) })
  const logger: Logger = pino(
    {
      level,
      base: { service, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: {
        level: label => ({ level: label === 'warn' ? 'warning' : label }),
        log: fields => redactFields(fields),
      },
      serializers: { err: serializeError },
    },
    multistream(streams),
  )
  // Pino calls no formatter for these; its children inherit what is set here.
  const { child } = logger
  return Object.assign(logger, {
    child(this: unknown, bindings: Bindings, options?: ChildLoggerOptions): Logger {
      return Reflect.apply(child, this, [redactFields(bindings), options])
    },
  })
}

/** The file that a configuration names, if it names one. Throws ConfigError. */
export function openLogFile({ LogFile: path }: Pick<LogConfig, 'LogFile'>): LogFile | undefined {
  return path === '' ? undefined : new LogFile(path)
}

/** Drops lines that cannot be written, e.g. to a full disk: a message must not be lost because its log line was. */
function enduring(stream: { write(line: string): unknown }, name: string) {
  let failing = false
  return {
    write(line: string): void {
      try {
        stream.write(line)
        failing = false
      } catch (error: unknown) {
        if (!failing) process.stderr.write(`log lines cannot be written to ${name}: ${describeError(error)}\n`)
        failing = true
      }
    },
  }
}

/** One line when a server goes away, and one when it is back. */
export function logAvailability(log: Logger, server: string, state: 'up' | 'down', error: unknown): void {
  if (state === 'up') log.info({ server }, 'the server answers again')
  else log.warn({ server, cause: describeError(error) }, 'the server is unavailable; waiting for it')
}

function serializeError(thrown: unknown): Record<string, unknown> {
  const error = toError(thrown)
  const { name, stack = '' } = error
  return { type: name, code: errorCode(error), message: describeError(error), stack: redactText(stack) }
}
