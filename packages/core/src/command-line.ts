// The command line: options of the plain start, and commands to do in its place.
import yargs, { type Argv, type Options, type PositionalOptions } from 'yargs'
import { ConfigError } from './errors.js'
import { SERVICE_VERSION } from './version.js'

export type Arguments = Readonly<Record<string, unknown>>

/** `Run` is what the command is carried out by: another type for each kind of process. */
export interface Command<Run> {
  /** As yargs spells it: a word and its arguments, e.g. `where <what..>`. */
  readonly usage: string
  /** One sentence for `--help`. */
  readonly summary: string
  readonly positionals?: Readonly<Record<string, PositionalOptions>>
  /** Of this command alone; `--config` is there for all. */
  readonly options?: Readonly<Record<string, Options>>
  readonly run: Run
}

/** A word before other words, e.g. `dumps list`. */
export interface CommandGroup<Run> {
  readonly usage: string
  readonly summary: string
  readonly commands: readonly Command<Run>[]
}

export type Commands<Run> = readonly (Command<Run> | CommandGroup<Run>)[]

/** Makes what the program needs to start, so that it has no configuration yet; resolves with the exit code. */
export type SetUpCommand = Command<(args: Arguments) => Promise<number>>

export interface CommandLine<Run> {
  /** Name of the executable. */
  readonly name: string
  readonly summary: string
  /** Of the plain start. */
  readonly options?: Readonly<Record<string, Options>>
  /** Arguments of the plain start without a name, in their order; each may be left out. */
  readonly positionals?: Readonly<Record<string, PositionalOptions>>
  readonly commands?: Commands<Run>
  readonly setUps?: readonly SetUpCommand[]
  /** Rewrites the command line before it is parsed. */
  rewrite?(argv: readonly string[]): string[]
}

export interface Parsed<Run> {
  readonly args: Arguments
  /** Undefined for a plain start. */
  readonly command: Command<Run> | undefined
  /** One in place of a start and of a command. */
  readonly setUp: SetUpCommand | undefined
}

const CHECK_OPTIONS: Readonly<Record<string, Options>> = {
  'check-config': { type: 'boolean', describe: 'Check the configuration file and exit' },
  connect: {
    type: 'boolean',
    implies: 'check-config',
    describe: 'With --check-config: also check the servers and directories that it names; changes nothing there',
  },
}

/** Parses the arguments of this process. Throws ConfigError; `--help` and `--version` end the process. */
export async function parseCommandLine<Run>(line: CommandLine<Run>): Promise<Parsed<Run>> {
  const { name, summary, positionals = {}, options = {}, commands = [], setUps = [] } = line
  const argv = process.argv.slice(2)
  let command: Command<Run> | undefined
  let setUp: SetUpCommand | undefined
  const parser = yargs(line.rewrite?.(argv) ?? argv)
    .scriptName(name)
    // The Go suite's flags have one dash: `-config` is not `-c -o -n …`.
    .parserConfiguration({ 'short-option-groups': false, 'camel-case-expansion': false })
    .usage(`${usageOf(positionals)}\n\n${summary}`)
    .option('config', {
      type: 'string',
      requiresArg: true,
      describe: `Configuration file; default ${name}.conf.json here, then beside the executable`,
    })
    .alias('help', 'h')
    .version(SERVICE_VERSION)
    .strict()
    .fail((message, error) => {
      const said = message ?? (error?.name === 'YError' ? error.message : undefined)
      throw said === undefined ? error : new ConfigError('arguments', [`${inWords(said)}; see ${name} --help`])
    })
  const plain = { ...CHECK_OPTIONS, ...options }
  if (Object.keys(positionals).length > 0) {
    // A command of its own to yargs: it knows no options but those that are global, or given here.
    const usage = ['$0', ...Object.keys(positionals).map(each => `[${each}]`)].join(' ')
    parser.command(usage, summary, builder => withArguments(builder, { positionals, options: plain }))
  } else parser.options(ofPlainStart(plain))
  for (const each of commands) {
    add(parser, each, chosen => {
      command = chosen
    })
  }
  for (const each of setUps) {
    add(parser, each, chosen => {
      setUp = chosen
    })
  }
  return { args: await parser.parseAsync(), command, setUp }
}

/** What yargs says of arguments, as a person would. */
function inWords(message: string): string {
  const [, option, other] = /^Implications failed:\s+(\S+) -> (\S+)$/.exec(message) ?? []
  if (option !== undefined) return `--${option} goes with --${other} only`
  const [, needy] = /^Not enough arguments following: (\S+)$/.exec(message) ?? []
  if (needy !== undefined) return `--${needy} needs a value`
  return message.startsWith('Not enough non-option arguments') ? 'an argument is missing' : message
}

function usageOf(positionals: object): string {
  return ['$0 [options]', ...Object.keys(positionals).map(name => `[${name}]`)].join(' ')
}

/** What a command has no use for is unknown there. */
function ofPlainStart(options: Readonly<Record<string, Options>>): Record<string, Options> {
  return Object.fromEntries(Object.entries(options).map(([name, option]) => [name, { ...option, global: false }]))
}

function add<Run>(parser: Argv, command: Commands<Run>[number], choose: (command: Command<Run>) => void): void {
  const { usage, summary } = command
  if ('run' in command) {
    parser.command(
      usage,
      summary,
      builder => withArguments(builder, command),
      () => choose(command),
    )
    return
  }
  parser.command(usage, summary, builder => {
    for (const inner of command.commands) add(builder, inner, choose)
    return builder.demandCommand(1, 1, `name one of: ${command.commands.map(inner => wordOf(inner.usage)).join(', ')}`)
  })
}

function wordOf(usage: string): string {
  return usage.split(' ', 1)[0] ?? usage
}

function withArguments(
  builder: Argv,
  { positionals = {}, options = {} }: Pick<Command<unknown>, 'positionals' | 'options'>,
): Argv {
  for (const [name, option] of Object.entries(positionals)) builder.positional(name, option)
  return builder.options(options)
}
