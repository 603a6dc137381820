// `overseer dumps …`: what an administrator does with messages that were given up.
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline/promises'
import {
  type Arguments,
  ConfigError,
  counted,
  describeError,
  type ServiceCommands,
  say,
  sayJson,
  timeOf,
} from '@cuckoo-distributed/core'
import { delay } from '@cuckoo-distributed/wait'
import type { OverseerConfig } from '../config.js'
import { requireOwner, sweep } from '../dump-dir.js'
import { sendDump } from '../resubmit.js'
import { byCause } from './causes.js'
import { deleteDump } from './delete.js'
import { editDump, runEditor } from './edit.js'
import { type Dump, listDumps } from './envelope.js'
import { exportDumps } from './export.js'
import { chosenDumps, FILTERS, hasFilter, namedDumps, textIn } from './select.js'
import { detailsOf, inOneLine, inWords } from './show.js'

type DumpsCommand = Extract<ServiceCommands<OverseerConfig>[number], { readonly run: unknown }>

const JSON_OPTION = { json: { type: 'boolean', describe: 'As one JSON document' } } as const

const list: DumpsCommand = {
  usage: 'list',
  summary: 'Dumps by cause: how many, since when, what to do.',
  options: { ...FILTERS, ...JSON_OPTION, each: { type: 'boolean', describe: 'A line for each dump, oldest first' } },
  async run({ DumpDir }, _dependencies, args) {
    const dumps = await chosenDumps(resolve(DumpDir), args)
    if (args.each === true) listEach(dumps, args)
    else listCauses(dumps, args)
    return 0
  },
}

function listEach(dumps: readonly Dump[], args: Arguments): void {
  if (args.json === true) {
    sayJson(dumps.map(({ failed, at, ...dump }) => ({ ...dump, failedAt: iso(at), ...failed })))
    return
  }
  for (const dump of dumps) say(inOneLine(dump))
}

function listCauses(dumps: readonly Dump[], args: Arguments): void {
  const causes = byCause(dumps)
  if (args.json === true) {
    const shown = causes.map(({ oldest, newest, dumps: each, ...cause }) => {
      return {
        ...cause,
        count: each.length,
        oldest: iso(oldest),
        newest: iso(newest),
        dumps: each.map(({ name }) => name),
      }
    })
    sayJson(shown)
    return
  }
  for (const { code, service, oldest, newest, error, advice, dumps: each } of causes) {
    say(`${each.length} × ${code}${service && ` in ${service}`}, ${timeOf(oldest)} to ${timeOf(newest)}`)
    if (error !== '') say(`    newest: ${error.slice(0, 300)}`)
    say(`    to do:  ${advice}`)
  }
  say(causes.length === 0 ? 'no dumps' : `${counted(dumps.length, 'dump')}; times are UTC`)
}

const show: DumpsCommand = {
  usage: 'show <name>',
  summary: 'One dump: each try, and the message without keys and sample. A name may be cut short.',
  options: { ...JSON_OPTION, raw: { type: 'boolean', describe: 'The file as it is, keys and sample included' } },
  async run({ DumpDir }, _dependencies, args) {
    const dir = resolve(DumpDir)
    const [dump] = namedDumps(await listDumps(dir), [textIn(args, 'name') ?? ''])
    if (dump === undefined) return 1
    if (args.raw === true) process.stdout.write(await readFile(join(dir, dump.file)))
    else if (args.json === true) sayJson(await detailsOf(dir, dump))
    else for (const line of inWords(await detailsOf(dir, dump))) say(line)
    return 0
  },
}

const resubmit: DumpsCommand = {
  usage: 'resubmit [names..]',
  summary: 'Puts dumps back to work, with a fresh count of tries.',
  options: {
    ...FILTERS,
    all: { type: 'boolean', describe: 'All that are there' },
    to: { type: 'string', requiresArg: true, describe: 'To this queue, instead of the one where each failed' },
    rate: {
      type: 'number',
      default: 10,
      requiresArg: true,
      describe: 'How many a second; 0: as fast as the broker confirms',
    },
    'dry-run': { type: 'boolean', describe: 'Only say what would be sent where' },
  },
  async run({ DumpDir }, { log, stop, publisher, telemetry }, args) {
    const dir = resolve(DumpDir)
    await requireOwner(dir)
    await sweep(dir, log)
    const dumps = await meantDumps(dir, args)
    const to = textIn(args, 'to')
    if (args['dry-run'] === true) {
      for (const { name, failed } of dumps)
        say(`${name}  would go to ${to ?? failed?.queue ?? 'no queue: name one with --to'}`)
      return 0
    }
    if (dumps.length === 0) return 0
    await publisher.open(stop)
    let left = dumps.length
    for (const [i, { name }] of dumps.entries()) {
      const pause = i === 0 || !(Number(args.rate) > 0) ? 0 : 1000 / Number(args.rate)
      await delay(pause, stop).catch(() => undefined) // the process stops: see below
      if (stop.aborted) break
      const sent = await sendDump(name, { dir, publisher, telemetry, to }, stop)
      if (sent.outcome === 'left') say(`${name}  left: ${sent.why}`)
      else {
        left -= 1
        say(`${name}  sent to ${sent.queue}${sent.perhapsTwice ? `, possibly twice: ${sent.perhapsTwice}` : ''}`)
      }
    }
    say(`${dumps.length - left} sent, ${left} left`)
    return left === 0 ? 0 : 1
  },
}

const edit: DumpsCommand = {
  usage: 'edit <name>',
  summary: 'Opens queue and message of a dump in $EDITOR; keys and sample stay where they are.',
  async run({ DumpDir }, { stop }, args) {
    const dir = resolve(DumpDir)
    await requireOwner(dir)
    const [dump] = namedDumps(await listDumps(dir), [textIn(args, 'name') ?? ''])
    if (dump === undefined) return 1
    const isChanged = await editDump(dump.name, { dir, edit: runEditor, again: problem => askAgain(problem, stop) })
    say(`${dump.name}  ${isChanged ? 'changed; `dumps resubmit` sends it' : 'not changed'}`)
    return 0
  },
}

const remove: DumpsCommand = {
  usage: 'delete [names..]',
  summary: 'Deletes dumps for good. Those chosen by filters only with --yes.',
  options: {
    ...FILTERS,
    all: { type: 'boolean', describe: 'All that are there' },
    yes: { type: 'boolean', describe: 'Do it' },
  },
  async run({ DumpDir }, _dependencies, args) {
    const dir = resolve(DumpDir)
    await requireOwner(dir)
    const dumps = await meantDumps(dir, args)
    const isMeant = args.yes === true || (!hasFilter(args) && args.all !== true)
    let left = 0
    for (const { name } of dumps) {
      const why = isMeant ? await deleteDump(dir, name) : 'would be deleted with --yes'
      if (why !== undefined) left += 1
      say(`${name}  ${why ?? 'deleted'}`)
    }
    return left === 0 ? 0 : 1
  },
}

const exportTo: DumpsCommand = {
  usage: 'export <to> [names..]',
  summary: 'Copies dumps into a new file TO.tar, or into the directory TO.',
  options: { ...FILTERS, all: { type: 'boolean', describe: 'All that are there' } },
  async run({ DumpDir }, _dependencies, args) {
    const dir = resolve(DumpDir)
    const to = resolve(textIn(args, 'to') ?? '')
    const exported = await exportDumps(dir, await meantDumps(dir, args), to)
    for (const name of exported.gone) say(`${name}  has gone meanwhile`)
    say(`${to}: ${counted(exported.dumps, 'dump')}, ${exported.bytes} bytes`)
    say(
      `inside: ${exported.keys} with the API key of a user of CRITs, ${exported.samples} with a sample, which may be malware`,
    )
    return exported.gone.length === 0 ? 0 : 1
  },
}

export const dumpCommands: ServiceCommands<OverseerConfig>[number] = {
  usage: 'dumps',
  summary: 'Messages that were given up.',
  commands: [list, show, resubmit, edit, remove, exportTo],
}

/** Nobody means all by saying nothing. Throws ConfigError. */
async function meantDumps(dir: string, args: Arguments): Promise<Dump[]> {
  const names = Array.isArray(args.names) ? args.names.map(String) : []
  if (names.length > 0 && (args.all === true || hasFilter(args))) {
    throw new ConfigError('arguments', ['either names, or filters'])
  }
  if (names.length > 0) return namedDumps(await listDumps(dir), names)
  if (args.all !== true && !hasFilter(args)) throw new ConfigError('arguments', ['name dumps, filters or --all'])
  return chosenDumps(dir, args)
}

async function askAgain(problem: string, signal: AbortSignal): Promise<boolean> {
  say(`not taken: ${problem}`)
  if (!process.stdin.isTTY) return false
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  try {
    const answer = await terminal.question('Enter opens the editor again, n leaves the dump as it was: ', { signal })
    return !/^n/i.test(answer)
  } catch (error: unknown) {
    say(describeError(error))
    return false
  } finally {
    terminal.close()
  }
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}
