// `overseer init`: asks what only the operator knows, and writes configurations for all services.
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { createInterface, type Interface } from 'node:readline/promises'
import { type Arguments, ConfigError, type SetUpCommand, say } from '@cuckoo-distributed/core'
import { brokerLines, configurations, withAccount } from './configurations.js'
import { type Answers, answerProblems, QUESTIONS, type Question } from './questions.js'

export const initCommand: SetUpCommand = {
  usage: 'init',
  summary:
    'Writes configurations for all services, and prints what to set up in RabbitMQ. On a terminal it asks for missing options.',
  options: {
    dir: { type: 'string', requiresArg: true, default: '.', describe: 'Directory to write to; nothing is overwritten' },
    ...Object.fromEntries(QUESTIONS.map(({ name, text }) => [name, { type: 'string', describe: text }])),
  },
  async run(args) {
    if (args.config !== undefined)
      throw new ConfigError('arguments', ['init does not read a configuration; it writes them'])
    const dir = resolve(String(args.dir))
    const answers = await answersFor(dir, args)
    const { amqp, madePassword } = withAccount(answers('broker'))
    const files = Object.entries(configurations(amqp, answers)).map(([service, config]) => {
      return { service, path: join(dir, `${service}.conf.json`), config }
    })
    await write(files, dirname(resolve(answers('dump-dir'))))
    for (const { path } of files) say(`written: ${path}`)
    say('On the machine of RabbitMQ, as root:')
    for (const line of brokerLines(amqp, madePassword)) say(`  ${line}`)
    say('Then, as the user that runs the services and owns these files:')
    for (const { service, path } of files) say(`  ${service}.mjs --config ${path} --check-config --connect`)
    return 0
  },
}

interface File {
  readonly path: string
  readonly config: object
}

/** All, or none when one of them is there. Directories are made for their owner alone. */
async function write(files: readonly File[], besideDumps: string): Promise<void> {
  const there = files.filter(({ path }) => existsSync(path))
  if (there.length > 0)
    throw new ConfigError(
      'init',
      there.map(({ path }) => `${path} already exists`),
    )
  for (const dir of [...files.map(({ path }) => dirname(path)), besideDumps]) {
    await mkdir(dir, { recursive: true, mode: 0o700 })
  }
  for (const { path, config } of files) {
    await writeFile(path, `${JSON.stringify(config, null, 2)}\n`, { flag: 'wx', mode: 0o600 })
  }
}

async function answersFor(dir: string, args: Arguments): Promise<Answers> {
  const answers = new Map<string, string>()
  for (const { name } of QUESTIONS) if (typeof args[name] === 'string') answers.set(name, args[name])
  if (process.stdin.isTTY) await askFor(dir, answers)
  const problems = QUESTIONS.flatMap((question: Question) => {
    const answer = answers.get(question.name) ?? question.fallback?.(dir, answers) ?? ''
    answers.set(question.name, answer)
    return answerProblems(question, answer)
  })
  if (problems.length > 0) throw new ConfigError('init', problems)
  return name => answers.get(name) ?? ''
}

/** Asks for what is not there, each until the answer can be used. */
async function askFor(dir: string, answers: Map<string, string>): Promise<void> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  const ended = new AbortController()
  terminal.once('close', () =>
    ended.abort(new ConfigError('init', ['nothing was written: not every question was answered'])),
  )
  try {
    for (const question of QUESTIONS as readonly Question[]) {
      const fallback = question.fallback?.(dir, answers) ?? ''
      while (!answers.has(question.name)) {
        const answer = await ask(terminal, question.text, fallback, ended.signal)
        const problems = answerProblems(question, answer)
        for (const problem of problems) say(`  ${problem}`)
        if (problems.length === 0) answers.set(question.name, answer)
      }
    }
  } finally {
    terminal.close()
  }
}

/** Rejects with the signal's reason. */
async function ask(terminal: Interface, text: string, fallback: string, signal: AbortSignal): Promise<string> {
  const shown = fallback === '' ? '' : ` [${fallback}]`
  try {
    return (await terminal.question(`${text}${shown}: `, { signal })).trim() || fallback
  } catch (error: unknown) {
    throw signal.aborted ? signal.reason : error
  }
}
