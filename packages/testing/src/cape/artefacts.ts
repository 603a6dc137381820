/** What an analysis left: report, dropped files, payloads, dumps, capture. */
import { createHash } from 'node:crypto'
import { zip } from '../archive/zip.js'
import { memoryBody } from '../cuckoo/body.js'
import { makeDropped } from '../cuckoo/dropped.js'
import type { CuckooTask } from '../cuckoo/task.js'
import { type CapeAnswer, failure, file, json, page } from './answer.js'
import type { CapeContext } from './context.js'
import type { CapeArtefacts } from './options.js'
import { liteOf, reportOf } from './report.js'
import { resolved, visible } from './tasks.js'

const ABSENT = new Set(['html', 'htmlsummary', 'pdf', 'maec', 'maec5', 'metadata', 'protobuf', 'parti'])

/** The task if what it left may be had, or the answer why not. */
function ready(context: CapeContext, id: string): CuckooTask | CapeAnswer {
  const asked = visible(context, id, 'Task does not exist')
  if ('body' in asked) return asked
  const task = resolved(context, asked)
  if (task.status !== 'reported') {
    if (task.status.startsWith('failed_')) return failure('Task failed')
    context.complain('early', `task ${id} is ${task.status}: this call says nothing about its state`)
    return failure('Task is still being analyzed')
  }
  const isSecret = context.facts.get(task)?.tlp?.toLowerCase() === 'red'
  return isSecret ? failure('Task has a TLP of RED') : task
}

export function report(context: CapeContext, id: string, format: string, zipped: string): CapeAnswer {
  const { options, user } = context
  if (options.reportsForAll === false && user.reports !== true) return page(200, 'CAPE Sandbox')
  const task = ready(context, id)
  if ('body' in task) return task
  const text = context.isLost(task) ? null : textOf(context, task)
  const kind = format.toLowerCase() || 'json'
  if (kind === 'json' || kind === 'litereport') {
    const isThere = text !== null && (kind === 'json' || options.liteReport === true)
    if (!isThere) return failure('Reports directory does not exist')
    const content = Buffer.from(kind === 'json' ? text : liteOf(text))
    if (zipped !== '') {
      return file('application/zip', `${kind}.zip`, memoryBody(zip([{ name: 'reports/report.json', content }])))
    }
    return file('application/json; charset=UTF-8', `${task.id}_report.json`, memoryBody(content))
  }
  if (ABSENT.has(kind)) return failure('Reports directory does not exist')
  if (kind !== 'dropped') {
    return json({ error: true, error_value: `Report format not found: ${kind}` }, 400)
  }
  if (context.isLost(task)) return failure(`No analysis directory for task ${task.id}`)
  return file('application/zip', 'dropped.zip', memoryBody(zip(files('files/', contents(context, task).dropped))))
}

/** All archives but those of the report are encrypted. */
export function bundle(context: CapeContext, id: string, what: 'dropped' | 'payloads' | 'procdump'): CapeAnswer {
  const task = ready(context, id)
  if ('body' in task) return task
  const { dropped, payloads, procdump } = contents(context, task)
  const unnamed = (list: readonly Buffer[] | undefined) => list?.map(content => ({ name: '', content }))
  const kinds = {
    dropped: {
      entries: dropped,
      folder: 'files/',
      file: `${task.id}_dropped.zip`,
      none: `No files dropped for task ${id}`,
    },
    payloads: { entries: unnamed(payloads), folder: 'CAPE/', file: 'cape', none: `No CAPE file(s) for task ${id}.` },
    procdump: {
      entries: unnamed(procdump),
      folder: 'procdump/',
      file: 'cape',
      none: `No procdump file(s) for task ${id}.`,
    },
  }
  const { entries, folder, file: name, none } = kinds[what]
  if (entries === undefined || (what === 'dropped' && entries.length === 0)) return failure(none)
  const body = memoryBody(zip(files(folder, entries), { password: context.options.zipPassword ?? 'infected' }))
  return file('application/zip', name === 'cape' ? `cape_payloads_${task.id}.zip` : name, body)
}

export function pcap(context: CapeContext, id: string): CapeAnswer {
  const task = ready(context, id)
  if ('body' in task) return task
  const { pcap: capture } = contents(context, task)
  if (capture === undefined) return failure('PCAP does not exist')
  return file('application/vnd.tcpdump.pcap', `${task.id}_dump.pcap`, memoryBody(capture))
}

export function processMemory(context: CapeContext, id: string): CapeAnswer {
  const task = ready(context, id)
  if ('body' in task) return task
  const { memory } = contents(context, task)
  if (memory === undefined) return failure('No memory dumps saved')
  const entries = Object.entries(memory).map(([pid, content]) => ({ name: `memory/${pid}.dmp`, content }))
  const body = memoryBody(zip(entries, { password: context.options.zipPassword ?? 'infected' }))
  return file('application/zip', `${task.id}_procdumps.zip`, body)
}

export function fullMemory(context: CapeContext, id: string): CapeAnswer {
  const task = ready(context, id)
  if ('body' in task) return task
  const { fullMemory: memory } = contents(context, task)
  if (memory === undefined) return failure(`Memory dump not found for task ${id}`)
  return file('application/octet-stream', `${task.id}_memory.dmp`, memoryBody(memory))
}

export function screenshots(context: CapeContext, id: string): CapeAnswer {
  const task = ready(context, id)
  if ('body' in task) return task
  const { screenshots: shots = [] } = contents(context, task)
  if (shots.length === 0) return failure(`No screenshots created for task ${id}`)
  const entries = shots.map((content, index) => ({ name: `${String(index).padStart(4, '0')}.jpg`, content }))
  return file('application/zip', `${task.id}_screenshots.zip`, memoryBody(zip(entries)))
}

function textOf(context: CapeContext, task: CuckooTask): string | Buffer | null {
  const { options, facts } = context
  return options.report ? options.report(task) : reportOf(task, facts.get(task)?.parent, contents(context, task))
}

function contents({ options }: CapeContext, task: CuckooTask): CapeArtefacts {
  if (options.artefacts) return options.artefacts(task)
  return {
    dropped: makeDropped(task.sample, task.fileName).map(({ name, content }) => ({ name: String(name), content })),
    pcap: Buffer.from('d4c3b2a1020004000000000000000000ffff000001000000', 'hex'),
  }
}

/** By what they hold: equal files are one. */
function files(folder: string, entries: CapeArtefacts['dropped'] = []) {
  const byName = new Map(
    entries.map(({ content }) => [`${folder}${createHash('sha256').update(content).digest('hex')}`, content]),
  )
  return [...byName].map(([name, content]) => ({ name, content }))
}
