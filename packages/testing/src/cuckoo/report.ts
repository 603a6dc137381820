/** A `report.json` in the exact shape of a Cuckoo version, derived from the sample's real content. */
import { behaviourOf } from './behaviour.js'
import { type DroppedFile, droppedPath, makeDropped } from './dropped.js'
import { type CuckooVersion, FLAVOURS, localAsUtc, localStamp } from './flavour.js'
import { PythonFloat, type PythonValue, pythonJson } from './python-json.js'
import { behaviourSection } from './report-behaviour.js'
import { networkSection, signaturesSection } from './report-findings.js'
import { type SampleFacts, sampleFacts } from './sample.js'

export interface ReportOptions {
  /** Default `1.2`. */
  readonly version?: CuckooVersion
  /** The task's id. Default 1. */
  readonly id?: number
  /** The name the sample was submitted under. Default `sample.exe`. */
  readonly name?: string
  readonly custom?: string
  readonly package?: string
  /** API calls in all. Default 12. */
  readonly calls?: number
  /** Default `makeDropped(sample)`. */
  readonly dropped?: readonly DroppedFile[]
  /** Start and end of the analysis. Default 2015-12-01, 10:00:00 to 10:02:10 local time. */
  readonly started?: Date
  readonly ended?: Date
  /** A task that failed: only `info`, `debug.errors` and the always present sections. Default none. */
  readonly errors?: readonly string[]
}

/** A report as a value, its keys in the order in which that Cuckoo version writes them. */
export type Report = { readonly [section: string]: PythonValue }

/**
 * Makes a report. Serialise it with `pythonJson`. Hashes and sizes are the sample's own; files, registry keys, mutexes,
 * signatures and calls are made of the strings in it.
 */
export function makeReport(content: SampleFacts | Buffer, options: ReportOptions = {}): Report {
  const sample = Buffer.isBuffer(content) ? sampleFacts(content) : content
  const { version = '1.2', name = 'sample.exe', errors = [] } = options
  const dropped = options.dropped ?? makeDropped(sample, name)
  const behaviour = behaviourOf(sample, name, options.calls ?? 12)
  const started = options.started ?? new Date(2015, 11, 1, 10, 0, 0)
  const shape = FLAVOURS[version].behaviour
  const parts = {
    info: info(options, started),
    signatures: errors.length > 0 ? [] : signaturesSection(behaviour, shape),
    network: errors.length > 0 ? { mitm: [] } : networkSection(behaviour, shape),
    dropped: errors.length > 0 ? [] : dropped.map((file, index) => droppedSection(file, index, version)),
    behavior: behaviourSection(behaviour, version, started),
    target: {
      category: 'file',
      file: fileSection(sample, name, `/opt/cuckoo/storage/binaries/${sample.sha256}`, version),
    },
    strings: behaviour.strings,
  }
  if (shape === 1) return firstLayout(parts, errors)
  return version === '2.0' ? thirdLayout(parts, errors, dropped) : secondLayout(parts, errors)
}

type Parts = Record<'info' | 'signatures' | 'network' | 'dropped' | 'behavior' | 'target' | 'strings', PythonValue>

const LOG = '2015-12-01 10:00:00,000 [root] DEBUG: Starting analyzer from: C:\\pjqrs\n'

/** 1.x keeps sections that are empty. */
function firstLayout(parts: Parts, errors: readonly string[]): Report {
  return {
    info: parts.info,
    signatures: parts.signatures,
    procmemory: [],
    static: {},
    dropped: parts.dropped,
    network: errors.length > 0 ? {} : parts.network,
    behavior:
      errors.length > 0
        ? { processtree: [], processes: [], anomaly: [], enhanced: [], summary: { files: [], keys: [], mutexes: [] } }
        : parts.behavior,
    debug: { errors, log: LOG },
    strings: parts.strings,
    target: parts.target,
  }
}

/** From here on empty sections are left out. */
function secondLayout(parts: Parts, errors: readonly string[]): Report {
  const { info, signatures, target, network, dropped, behavior, strings } = parts
  const results: Report = errors.length > 0 ? {} : { dropped, behavior }
  return { info, signatures, target, network, static: { keys: [] }, ...results, debug: { errors, log: [LOG] }, strings }
}

function thirdLayout(parts: Parts, errors: readonly string[], files: readonly DroppedFile[]): Report {
  const { info, signatures, target, network, dropped, behavior, strings } = parts
  const results: Report = errors.length > 0 ? {} : { dropped, behavior }
  const listed = files.map((file, index) => ({
    basename: droppedPath(file, index, '2.0').name.toString('latin1'),
    sha256: sampleFacts(file.content).sha256,
    dirname: 'files',
  }))
  return {
    ...{ info, signatures, target, network, static: { keys: [] }, ...results },
    debug: { action: [], dbgview: [], errors, log: [LOG], cuckoo: [] },
    screenshots: [{ path: '/opt/cuckoo/storage/analyses/1/shots/0001.jpg', ocr: '' }],
    strings,
    ...(errors.length > 0 ? {} : { metadata: { output: { dropped: listed } } }),
  }
}

/** Keys in the order of each version's hash table. */
function info(options: ReportOptions, started: Date): PythonValue {
  const { version = '1.2', id = 1, errors = [], custom = '' } = options
  const flavour = FLAVOURS[version]
  const finished = options.ended ?? new Date(started.getTime() + 130_000)
  const stamp = (date: Date): PythonValue =>
    flavour.floatDates ? new PythonFloat(localAsUtc(date) / 1000) : localStamp(date)
  const begun = stamp(started)
  const ended = stamp(finished)
  const machine = errors.length > 0 ? noMachine(flavour.behaviour) : machineInfo(version, id, started, finished)
  const duration = Math.round((finished.getTime() - started.getTime()) / 1000)
  const category = 'file'
  const bag = options.package ?? ''
  const known = flavour.version
  const score = new PythonFloat(1.4)
  const unset = { platform: '', owner: '', options: '' }
  switch (version) {
    case '1.2':
    case '1.3':
      return { category, package: bag, started: begun, custom, machine, ended, version: known, duration, id }
    case '2.0-dev':
      return {
        category,
        score,
        package: bag,
        started: begun,
        route: null,
        custom,
        machine,
        ended,
        version: known,
        ...unset,
        id,
        duration,
      }
    case '2.0':
      return {
        ...{ added: begun, started: begun, duration, ended, owner: '', score, id, category },
        ...{ git: { head: 'none', fetch_head: 'none' }, monitor: 'none', package: bag, route: null, custom, machine },
        ...{ platform: '', version: known, options: '' },
      }
  }
}

/** Without a machine 1.x gives the task's machine field, 2.0 an empty object. */
function noMachine(shape: 1 | 2): PythonValue {
  return shape === 1 ? '' : {}
}

function machineInfo(version: CuckooVersion, id: number, started: Date, ended: Date): PythonValue {
  const name = 'cuckoo1'
  const dates = { shutdown_on: localStamp(ended), started_on: localStamp(started) }
  const common = { label: name, manager: 'VirtualBox', name, ...dates }
  if (FLAVOURS[version].behaviour === 1) return { ...common, id }
  return version === '2.0' ? { status: 'stopped', ...common } : common
}

function droppedSection(file: DroppedFile, index: number, version: CuckooVersion): PythonValue {
  const { folder, name } = droppedPath(file, index, version)
  // Python 2 dumps byte strings as Latin-1: a UTF-8 name arrives as mojibake.
  const shown = name.toString('latin1')
  return fileSection(sampleFacts(file.content), shown, `/opt/cuckoo/storage/analyses/1/${folder}${shown}`, version)
}

function fileSection(facts: SampleFacts, name: string, path: string, version: CuckooVersion): PythonValue {
  const urls = version === '2.0' ? { urls: [] } : {}
  return {
    yara: [],
    sha1: facts.sha1,
    name,
    type: facts.type,
    sha256: facts.sha256,
    ...urls,
    crc32: facts.crc32,
    path,
    ssdeep: null,
    size: facts.size,
    sha512: facts.sha512,
    md5: facts.md5,
  }
}

/** The bytes of `reports/report.json`: `json.dump(report, indent=4)`. */
export function reportText(report: Report): Buffer {
  return Buffer.from(pythonJson(report))
}
