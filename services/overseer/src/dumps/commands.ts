// `overseer dumps …`: what an administrator does with messages that were given up.
import { resolve } from 'node:path'
import { createInterface } from 'node:readline/promises'
import {
  type Arguments,
  ConfigError,
  counted,
  describeError,
  type ServiceCommands,
  say,
} from '@cuckoo-distributed/core'
import type { OverseerConfig } from '../config.js'
import { requireOwner, sweep } from '../dump-dir.js'
import { deleteDump } from './delete.js'
import { editDump, runEditor } from './edit.js'
import { ownDumps, remarksElsewhere } from './elsewhere.js'
import type { Dump } from './envelope.js'
import { exportDumps } from './export.js'
import { list, show } from './look-commands.js'
import { chosenDumps, FILTERS, filtersIn, hasFilter, textIn } from './select.js'
import { sendEach, sentInWords, USUAL_RATE } from './send-each.js'

type DumpsCommand = Extract<ServiceCommands<OverseerConfig>[number], { readonly run: unknown }>

const resubmit: DumpsCommand = {
  usage: 'resubmit [names..]',
  summary: 'Sends dumps back to the queues in which they failed, and resets their attempts.',
  options: {
    ...FILTERS,
    all: { type: 'boolean', describe: 'All that are there' },
    to: { type: 'string', requiresArg: true, describe: 'Send to this queue instead of the one in which each failed' },
    rate: {
      type: 'number',
      default: USUAL_RATE,
      requiresArg: true,
      describe: 'Dumps per second; 0: as fast as the broker confirms',
    },
    'dry-run': { type: 'boolean', describe: 'Only show what would be sent where' },
  },
  async run(config, { log, stop, publisher, telemetry }, args) {
    const dir = resolve(config.DumpDir)
    await requireOwner(dir)
    await sweep(dir, log)
    const dumps = await meantDumps(config, args, stop)
    const to = textIn(args, 'to')
    if (args['dry-run'] === true) {
      for (const { name, failed } of dumps)
        say(`${name}  would go to ${to ?? failed?.queue ?? 'no queue: name one with --to'}`)
    }
    if (args['dry-run'] === true || dumps.length === 0) {
      await sayElsewhere(config, args, stop)
      return 0
    }
    await publisher.open(stop)
    let left = dumps.length
    const names = dumps.map(({ name }) => name)
    for await (const { name, sent } of sendEach(
      names,
      { dir, publisher, telemetry, to, rate: Number(args.rate) },
      stop,
    )) {
      if (sent.outcome === 'sent') left -= 1
      say(`${name}  ${sentInWords(sent)}`)
    }
    say(`${dumps.length - left} sent, ${left} left`)
    await sayElsewhere(config, args, stop)
    return left === 0 ? 0 : 1
  },
}

const edit: DumpsCommand = {
  usage: 'edit <name>',
  summary: 'Opens queue and message of a dump in $EDITOR; keys and sample are hidden and kept.',
  async run(config, { stop }, args) {
    const dir = resolve(config.DumpDir)
    await requireOwner(dir)
    const [dump] = await ownDumps(config, [textIn(args, 'name') ?? ''], stop)
    if (dump === undefined) return 1
    const isChanged = await editDump(dump.name, { dir, edit: runEditor, again: problem => askAgain(problem, stop) })
    say(`${dump.name}  ${isChanged ? 'changed; `dumps resubmit` sends it' : 'not changed'}`)
    return 0
  },
}

const remove: DumpsCommand = {
  usage: 'delete [names..]',
  summary: 'Deletes dumps permanently. Those selected by filters only with --yes.',
  options: {
    ...FILTERS,
    all: { type: 'boolean', describe: 'All that are there' },
    yes: { type: 'boolean', describe: 'Do it' },
  },
  async run(config, { stop }, args) {
    const dir = resolve(config.DumpDir)
    await requireOwner(dir)
    const dumps = await meantDumps(config, args, stop)
    const isMeant = args.yes === true || (!hasFilter(args) && args.all !== true)
    let left = 0
    for (const { name } of dumps) {
      const why = isMeant ? await deleteDump(dir, name) : 'would be deleted with --yes'
      if (why !== undefined) left += 1
      say(`${name}  ${why ?? 'deleted'}`)
    }
    await sayElsewhere(config, args, stop)
    return left === 0 ? 0 : 1
  },
}

const exportTo: DumpsCommand = {
  usage: 'export <to> [names..]',
  summary: 'Copies dumps into a new file TO.tar, or into the directory TO.',
  options: { ...FILTERS, all: { type: 'boolean', describe: 'All that are there' } },
  async run(config, { stop }, args) {
    const dir = resolve(config.DumpDir)
    const to = resolve(textIn(args, 'to') ?? '')
    const exported = await exportDumps(dir, await meantDumps(config, args, stop), to)
    for (const name of exported.gone) say(`${name}  no longer exists`)
    say(`${to}: ${counted(exported.dumps, 'dump')}, ${exported.bytes} bytes`)
    say(
      `contains: ${exported.keys} with the CRITs API key of a user, ${exported.samples} with a sample, which may be malware`,
    )
    await sayElsewhere(config, args, stop)
    return exported.gone.length === 0 ? 0 : 1
  },
}

export const dumpCommands: ServiceCommands<OverseerConfig>[number] = {
  usage: 'dumps',
  summary: 'Messages that are not retried any more.',
  commands: [list, show, resubmit, edit, remove, exportTo],
}

/** Nobody means all by saying nothing. Throws ConfigError. */
async function meantDumps(config: OverseerConfig, args: Arguments, stop: AbortSignal): Promise<Dump[]> {
  const names = Array.isArray(args.names) ? args.names.map(String) : []
  if (names.length > 0 && (args.all === true || hasFilter(args))) {
    throw new ConfigError('arguments', ['give either names or filters, not both'])
  }
  if (names.length > 0) return ownDumps(config, names, stop)
  if (args.all !== true && !hasFilter(args)) throw new ConfigError('arguments', ['name dumps, filters or --all'])
  return chosenDumps(resolve(config.DumpDir), args)
}

/** Filters may fit dumps of other hosts, which stay as they are (decision 0071). */
async function sayElsewhere(config: OverseerConfig, args: Arguments, stop: AbortSignal): Promise<void> {
  if (stop.aborted || !(args.all === true || hasFilter(args))) return
  for (const remark of await remarksElsewhere(config, filtersIn(args), stop)) say(remark)
}

async function askAgain(problem: string, signal: AbortSignal): Promise<boolean> {
  say(`not taken: ${problem}`)
  if (!process.stdin.isTTY) return false
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  try {
    const answer = await terminal.question('Press Enter to open the editor again, n to leave the dump unchanged: ', {
      signal,
    })
    return !/^n/i.test(answer)
  } catch (error: unknown) {
    say(describeError(error))
    return false
  } finally {
    terminal.close()
  }
}
