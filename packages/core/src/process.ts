// From the command line to the exit code: arguments, configuration, logger, signals. The only file that sets the code.
import { realpathSync } from 'node:fs'
import { isSea } from 'node:sea'
import type { TObject, TSchema } from 'typebox'
import type { Options, PositionalOptions } from 'yargs'
import { BrokerRefusedError } from './broker/refusal.js'
import { type Arguments, type Commands, parseCommandLine, type SetUpCommand } from './command-line.js'
import { findConfigFile, loadConfig, noConfigFile } from './config.js'
import { ConfigError, describeError } from './errors.js'
import { createLogger, type LogConfig, type LogFile, type Logger, openLogFile } from './logger.js'
import { type Look, takeLooks } from './look.js'
import { Shutdown } from './shutdown.js'
import { fileProblems, placeholders } from './usable.js'

/** The schema of a configuration of this type. */
export type SchemaOf<C> = TObject<{ [K in keyof C]-?: TSchema }>

export interface ProcessDefinition<C extends object> {
  /** Also the name of the default configuration file and of the executable. */
  readonly name: string
  /** One sentence for `--help`. */
  readonly summary: string
  readonly schema: SchemaOf<C>
  /** Further command-line options. */
  readonly options?: Readonly<Record<string, Options>>
  /** Command-line arguments without a name, in their order; each may be left out. */
  readonly positionals?: Readonly<Record<string, PositionalOptions>>
  /** To be done in place of `run`. Their log lines go to standard error, since standard output is for what they say. */
  readonly commands?: Commands<ProcessDefinition<C>['run']>
  /** To be done before there is a configuration. */
  readonly setUps?: readonly SetUpCommand[]
  /** Rewrites the command line before it is parsed. */
  rewrite?(argv: readonly string[]): string[]
  /**
   * Makes the configuration out of the file's content and the arguments; with it, the file is optional and `{}` stands for
   * one that is not there. Throws ConfigError.
   */
  merge?(file: object, args: Arguments): object
  /** Names what cannot be used although it is well-formed, e.g. a URL that is still a placeholder. */
  check?(config: Readonly<C>): string[]
  /** Names what works and is most likely not meant. */
  advise?(config: Readonly<C>): string[]
  /** What it needs of the world outside, for `--connect`. */
  looks?(config: Readonly<C>): readonly Look[]
  /** Does the work until `shutdown.stop`; resolves with the exit code. */
  run(config: Readonly<C>, environment: ProcessEnvironment): Promise<number>
}

export interface ProcessEnvironment {
  readonly log: Logger
  readonly shutdown: Shutdown
  readonly args: Arguments
}

const EXIT = { ok: 0, failed: 1, unusable: 2 } as const

/**
 * Runs a service as this process. Exit codes: 0 all done, 1 something was left undone, 2 wrong arguments, configuration
 * or broker account (nothing was started).
 */
export async function runProcess<C extends object>(definition: ProcessDefinition<C>): Promise<void> {
  // Their defaults: the end of the process, and a debugger for everybody on this machine.
  process.on('SIGHUP', ignore)
  process.on('SIGUSR1', ignore)
  try {
    process.exitCode = await start(definition)
  } catch (error: unknown) {
    const message = error instanceof ConfigError ? error.message : describeError(error)
    process.stderr.write(`${definition.name}: ${message}\n`)
    process.exitCode = error instanceof ConfigError || error instanceof BrokerRefusedError ? EXIT.unusable : EXIT.failed
  }
}

function ignore(): void {}

async function start<C extends object>(definition: ProcessDefinition<C>): Promise<number> {
  const { args, command, setUp } = await parseCommandLine(definition)
  if (setUp) return await setUp.run(args)
  const isCheck = args['check-config'] === true
  const { source, config, advice, unusable } = await configure(definition, args)
  if (isCheck) for (const warning of advice) process.stdout.write(`warning: ${warning}\n`)
  if (unusable.length > 0) throw new ConfigError(source, unusable)
  if (!isCheck) {
    const output = command ? 'stderr' : 'stdout'
    return run(definition.name, { config, args, advice, output, work: command?.run ?? definition.run })
  }
  if (args.connect === true) {
    const problems = await takeLooks(definition.looks?.(config) ?? [], line => process.stdout.write(`${line}\n`))
    if (problems.length > 0) throw new ConfigError(source, problems)
  }
  process.stdout.write(`${source}: ok\n`)
  return EXIT.ok
}

/** Everything that a start would refuse is told here, so that `--check-config` and a start agree. */
async function configure<C extends object>(definition: ProcessDefinition<C>, args: Arguments) {
  const path = configFile(definition, args)
  const advice: string[] = []
  const config = await loadConfig<SchemaOf<C>, C>(path, definition.schema, process.env, {
    amend: file => definition.merge?.(file, args) ?? file,
    warn: warning => advice.push(warning),
  })
  advice.push(...(definition.advise?.(config) ?? []))
  const problems = [...(definition.check?.(config) ?? []), ...fileProblems({ LogFile: logConfig(config).LogFile })]
  const untouched = placeholders(config)
  const isTold = (problem: string) => untouched.some(key => problem.startsWith(`"${key}"`))
  const unusable = [
    ...untouched.map(key => `"${key}" is still the placeholder of the example`),
    ...problems.filter(problem => !isTold(problem)),
  ]
  return { source: path ?? 'arguments', config, advice, unusable }
}

interface Start<C extends object> {
  readonly config: Readonly<C>
  readonly args: Arguments
  readonly advice: readonly string[]
  readonly output: 'stdout' | 'stderr'
  readonly work: ProcessDefinition<C>['run']
}

async function run<C extends object>(name: string, { config, args, advice, output, work }: Start<C>) {
  const file = openLogFile(logConfig(config))
  const log = createLogger(name, logConfig(config), file, output)
  // A command is not the place to be told that each time.
  if (output === 'stdout') for (const warning of advice) log.warn({ warning }, 'the configuration needs attention')
  using shutdown = new Shutdown(
    () => drainMs(config),
    (signal, meaning) =>
      log.info({ signal }, meaning === 'stop' ? 'stopping; work in progress is finished first' : 'stopping now'),
  )
  const hangUp = () => reopen(file, log)
  const crash = (error: unknown) => {
    log.fatal({ err: error }, 'crashed')
    process.exit(EXIT.failed)
  }
  process.on('SIGHUP', hangUp)
  process.on('uncaughtException', crash)
  try {
    return await work(config, { log, shutdown, args })
  } catch (error: unknown) {
    // What a user has mistyped is on the terminal already, in words.
    if (output === 'stdout' || !(error instanceof ConfigError)) log.fatal({ err: error }, 'ended by an error')
    throw error
  } finally {
    process.off('SIGHUP', hangUp)
    process.off('uncaughtException', crash)
  }
}

/** For log rotation: who has renamed the file wants a new one. */
function reopen(file: LogFile | undefined, log: Logger): void {
  try {
    file?.reopen()
    log.info(file ? 'LogFile was reopened' : 'SIGHUP has no effect: there is no LogFile')
  } catch (error: unknown) {
    log.warn({ err: error }, 'LogFile cannot be reopened; continuing with the old one')
  }
}

function configFile<C extends object>(definition: ProcessDefinition<C>, args: Arguments): string | undefined {
  if (typeof args.config === 'string') return args.config
  const found = findConfigFile(definition.name, executable())
  if (found === undefined && definition.merge === undefined) throw noConfigFile(definition.name, executable())
  return found
}

/** The single file, or the program that holds it, whose first argument is what the user typed. */
function executable(): string {
  const script = isSea() ? undefined : process.argv[1]
  return script === undefined ? process.execPath : realpathSync(script)
}

function logConfig(config: object): LogConfig {
  const file: unknown = 'LogFile' in config ? config.LogFile : ''
  const level: unknown = 'LogLevel' in config ? config.LogLevel : 'info'
  return {
    LogFile: typeof file === 'string' ? file : '',
    LogLevel: level === 'debug' || level === 'warning' ? level : 'info',
  }
}

function drainMs(config: object): number {
  const seconds: unknown = 'DrainTime' in config ? config.DrainTime : 0
  return typeof seconds === 'number' ? seconds * 1000 : 0
}
