/** Reports in the shape of CAPE: kevoreilly/CAPEv2:modules/processing/behavior.py and kevoreilly/CAPEv2:lib/cuckoo/core/plugins.py. */
import { type ApiCall, type Behaviour, behaviourOf, urlsOf } from './behaviour.js'
import { localStamp } from './flavour.js'
import type { PythonValue } from './python-json.js'
import type { Report } from './report.js'
import { milliStamp } from './report-behaviour.js'
import { networkSection, signaturesSection, ttpsSection } from './report-findings.js'
import type { SampleFacts } from './sample.js'

export interface CapeReportOptions {
  /** The task's id. Default 1. */
  readonly id?: number
  /** The name the sample was submitted under. Default `sample.exe`. */
  readonly name?: string
  readonly custom?: string
  /** API calls in all. Default 12. */
  readonly calls?: number
  /** Start and end of the analysis. Default 2015-12-01, 10:00:00 to 10:02:10 local time. */
  readonly started?: Date
  readonly ended?: Date
}

/** A report of CAPE about `sample`: what it did is what a Cuckoo has seen of the same sample. */
export function capeReport(sample: SampleFacts, options: CapeReportOptions = {}): Report {
  const { name = 'sample.exe', calls = 12, started = new Date(2015, 11, 1, 10, 0, 0) } = options
  const behaviour = behaviourOf(sample, name, calls)
  const family = 'ExampleRAT'
  return {
    statistics: { processing: [{ name: 'BehaviorAnalysis', time: 0.5 }], signatures: [], reporting: [] },
    target: targetSection(sample, name, behaviour.strings),
    CAPE: { payloads: [], configs: [configOf(behaviour, sample, family)] },
    info: infoSection(options, started),
    behavior: behaviorSection(behaviour, started),
    debug: { log: `${localStamp(started)} [root] INFO: Date set`, errors: [] },
    network: networkSection(behaviour, 'CAPE'),
    signatures: signaturesSection(behaviour, 'CAPE'),
    malscore: 4.2,
    ttps: ttpsSection(behaviour),
    malstatus: 'Suspicious',
    detections: [{ family, details: [{ Yara: sample.sha256 }] }],
  }
}

function targetSection(sample: SampleFacts, name: string, strings: readonly string[]): PythonValue {
  const { md5, sha1, sha256, sha512, crc32, size, type } = sample
  const path = `/opt/CAPEv2/storage/binaries/${sha256}`
  const file = { name, path, guest_paths: '', size, crc32, md5, sha1, sha256, sha512, type }
  return { category: 'file', file: { ...file, yara: [], cape_yara: [], clamav: [], tlsh: null, strings } }
}

function configOf(behaviour: Behaviour, { md5, sha256 }: SampleFacts, family: string): PythonValue {
  return {
    [family]: {
      C2: urlsOf(behaviour).map(({ host }) => `${host}:80`),
      campaign: md5.slice(0, 4),
      mutex: behaviour.mutexes,
    },
    _associated_config_hashes: [{ md5, sha256 }],
    _associated_analysis_hashes: { md5, sha256 },
  }
}

function infoSection(options: CapeReportOptions, begun: Date): PythonValue {
  const { id = 1, custom = '', ended: finished = new Date(begun.getTime() + 130_000) } = options
  const [started, ended] = [localStamp(begun), localStamp(finished)]
  const name = 'cuckoo1'
  const run = { manager: 'KVM', started_on: started, shutdown_on: ended }
  const machine = { id, status: 'stopped', name, label: name, platform: 'windows', ...run }
  const duration = Math.round((finished.getTime() - begun.getTime()) / 1000)
  return {
    ...{ version: '2.5', started, ended, duration, id, category: 'file', custom, machine, package: 'exe' },
    ...{ timeout: false, tlp: null, parent_sample: null, options: {}, source_url: null, route: 'none', user_id: 0 },
  }
}

function behaviorSection({ processes, files, keys, mutexes }: Behaviour, started: Date): PythonValue {
  const tree = (parent: number): PythonValue[] =>
    processes
      .filter(process => process.parent === parent)
      .map(({ pid, name, path }) => ({
        ...{ name, pid, parent_id: parent, module_path: path, children: tree(pid), threads: ['1234'], environ: {} },
      }))
  return {
    processes: processes.map(({ pid, name, parent, path, calls }, index) => ({
      process_id: pid,
      process_name: name,
      parent_id: parent,
      module_path: path,
      first_seen: milliStamp(started, index * 1000),
      calls: calls.map((call, id) => capeCall(call, id, milliStamp(started, index * 1000 + 10 * (id + 1)))),
      threads: ['1234'],
      environ: { UserName: 'user', CommandLine: `"${path}"` },
      file_activities: { read_files: [], write_files: [], delete_files: [] },
    })),
    anomaly: [],
    processtree: tree(processes[0]?.parent ?? 0),
    summary: {
      ...{ files, read_files: files.slice(0, 9), write_files: [], delete_files: [] },
      ...{ keys, read_keys: keys, mutexes, resolved_apis: [] },
    },
    enhanced: [],
    encryptedbuffers: [],
  }
}

/** A call as CAPE writes it: as Cuckoo 1.x, with where it was called from and values in words. */
export function capeCall(call: ApiCall, id: number, timestamp: string): PythonValue {
  return {
    timestamp,
    thread_id: '1234',
    caller: '0x00401f2d',
    parentcaller: '0x00401010',
    category: call.category[0],
    api: call.api,
    status: call.succeeded,
    return: `0x${call.result.toString(16).padStart(8, '0')}`,
    ...(call.succeeded ? {} : { pretty_return: 'ACCESS_DENIED' }),
    arguments: call.inputs.map(([name, , value]) => ({
      name,
      value: String(value),
      ...(name === 'Protection' ? { pretty_value: 'PAGE_READWRITE' } : {}),
    })),
    repeated: call.repeated,
    id,
  }
}
