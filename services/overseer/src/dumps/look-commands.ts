// `overseer dumps list` and `show`: what is there, on all hosts.
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import {
  type Arguments,
  ConfigError,
  counted,
  type ServiceCommands,
  say,
  sayJson,
  timeOf,
} from '@cuckoo-distributed/core'
import type { OverseerConfig } from '../config.js'
import { WHOM_OPTIONS, whomIn } from '../journal/ask.js'
import { byCause } from './causes.js'
import { type AllDumps, allDumps, dumpElsewhere, type LocatedDump } from './elsewhere.js'
import { listDumps } from './envelope.js'
import { dumpsLike, FILTERS, filtersIn, namedDumps, textIn } from './select.js'
import { detailsOf, inOneLine, inWords } from './show.js'

type DumpsCommand = Extract<ServiceCommands<OverseerConfig>[number], { readonly run: unknown }>

const JSON_OPTION = { json: { type: 'boolean', describe: 'As one JSON document' } } as const

export const list: DumpsCommand = {
  usage: 'list',
  summary: 'Dumps of all overseers by cause: how many, since when, what to do.',
  options: {
    ...FILTERS,
    ...JSON_OPTION,
    ...WHOM_OPTIONS,
    each: { type: 'boolean', describe: 'One line per dump, oldest first' },
  },
  async run(config, { log, stop }, args) {
    const all = await allDumps(config, filtersIn(args), whomIn(args), stop)
    if (args.each === true) listEach(all, args)
    else listCauses(all, args)
    for (const problem of all.problems) {
      if (args.json === true) log.warn(problem)
      else say(problem)
    }
    return 0
  },
}

function listEach({ dumps, own }: AllDumps, args: Arguments): void {
  if (args.json === true) {
    sayJson(dumps.map(({ failed, at, ...dump }) => ({ ...dump, failedAt: iso(at), ...failed })))
    return
  }
  const hosts = hostsOf(dumps)
  const width = hosts.every(host => host === own) ? 0 : Math.max(...hosts.map(host => host.length)) + 2
  for (const dump of dumps) say(`${width === 0 ? '' : dump.host.padEnd(width)}${inOneLine(dump)}`)
}

function listCauses({ dumps, own }: AllDumps, args: Arguments): void {
  const causes = byCause(dumps)
  if (args.json === true) {
    const shown = causes.map(({ oldest, newest, dumps: each, ...cause }) => {
      return {
        ...cause,
        count: each.length,
        oldest: iso(oldest),
        newest: iso(newest),
        hosts: Object.fromEntries(countsOf(each)),
        dumps: each.map(({ name }) => name),
      }
    })
    sayJson(shown)
    return
  }
  const isHere = hostsOf(dumps).every(host => host === own)
  for (const { code, service, oldest, newest, error, advice, dumps: each } of causes) {
    say(`${each.length} × ${code}${service && ` in ${service}`}, ${timeOf(oldest)} to ${timeOf(newest)}`)
    if (!isHere)
      say(
        `    hosts:  ${countsOf(each)
          .map(([host, count]) => `${host} ${count}`)
          .join(', ')}`,
      )
    if (error !== '') say(`    newest: ${error.slice(0, 300)}`)
    say(`    to do:  ${advice}`)
  }
  say(causes.length === 0 ? 'no dumps' : `${counted(dumps.length, 'dump')}; times are UTC`)
  if (!isHere) say('resubmit, edit, delete and export work on the dumps of the host that they run on')
}

function hostsOf(dumps: readonly LocatedDump[]): string[] {
  return [...new Set(dumps.map(({ host }) => host))].sort()
}

function countsOf(dumps: readonly LocatedDump[]): (readonly [string, number])[] {
  return hostsOf(dumps).map(host => [host, dumps.filter(dump => dump.host === host).length])
}

export const show: DumpsCommand = {
  usage: 'show <name>',
  summary: 'Shows one dump: each attempt, and the message without keys and sample. The beginning of a name is enough.',
  options: {
    ...JSON_OPTION,
    ...WHOM_OPTIONS,
    raw: { type: 'boolean', describe: 'The file unchanged, with keys and sample; only on its own host' },
  },
  async run(config, { stop }, args) {
    const dir = resolve(config.DumpDir)
    const name = textIn(args, 'name') ?? ''
    const dumps = await listDumps(dir)
    if (dumpsLike(dumps, name).length === 0) {
      const { words, details, dumpDir } = await dumpElsewhere(config, name, whomIn(args), stop)
      if (args.raw === true) throw new ConfigError('arguments', [`${name}: it is in ${dumpDir}: run the command there`])
      if (args.json === true) sayJson(details)
      else for (const line of [`in ${dumpDir}`, ...words]) say(line)
      return 0
    }
    const [dump] = namedDumps(dumps, [name])
    if (dump === undefined) return 1
    if (args.raw === true) process.stdout.write(await readFile(join(dir, dump.file)))
    else if (args.json === true) sayJson(await detailsOf(dir, dump))
    else for (const line of inWords(await detailsOf(dir, dump))) say(line)
    return 0
  },
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}
