/** Reports in the shape of CAPE: kevoreilly/CAPEv2:modules/processing/behavior.py and kevoreilly/CAPEv2:lib/cuckoo/core/plugins.py. */
import { type ApiCall, behaviourOf } from './behaviour.js'
import type { PythonValue } from './python-json.js'
import type { Report } from './report.js'
import type { SampleFacts } from './sample.js'

const STARTED = '2023-12-01 10:00:00'
const ENDED = '2023-12-01 10:02:10'

/** A report of CAPE about `sample`, without API calls. */
export function capeReport(sample: SampleFacts, id: number): Report {
  const { processes, files, keys, mutexes, strings } = behaviourOf(sample, 'sample.exe', 0)
  const { md5, sha1, sha256, sha512, crc32, size, type } = sample
  const file = {
    name: 'sample.exe',
    path: `/opt/CAPEv2/storage/binaries/${sha256}`,
    guest_paths: '',
    size,
    crc32,
    md5,
    sha1,
    sha256,
    sha512,
    type,
  }
  const machine = {
    id,
    status: 'stopped',
    name: 'win10',
    label: 'win10',
    platform: 'windows',
    manager: 'KVM',
    started_on: STARTED,
    shutdown_on: ENDED,
  }
  return {
    statistics: { processing: [{ name: 'BehaviorAnalysis', time: 0.5 }], signatures: [], reporting: [] },
    target: { category: 'file', file: { ...file, yara: [], cape_yara: [], clamav: [], tlsh: null, strings } },
    CAPE: { payloads: [], configs: [] },
    info: {
      version: '2.4-CAPE',
      started: STARTED,
      ended: ENDED,
      duration: 130,
      id,
      category: 'file',
      custom: '',
      machine,
      package: 'exe',
      timeout: false,
    },
    behavior: {
      processes: processes.map(({ pid, name, parent, path }) => ({
        process_id: pid,
        process_name: name,
        parent_id: parent,
        module_path: path,
        first_seen: `${STARTED},125`,
        calls: [],
        threads: ['1234'],
        environ: { UserName: 'user', CommandLine: `"${path}"` },
        file_activities: { read_files: [], write_files: [], delete_files: [] },
      })),
      anomaly: [],
      processtree: [],
      summary: {
        files,
        read_files: files.slice(0, 9),
        write_files: [],
        delete_files: [],
        keys,
        read_keys: keys,
        mutexes,
        resolved_apis: [],
      },
      enhanced: [],
      encryptedbuffers: [],
    },
    debug: { log: `${STARTED} [root] INFO: Date set`, errors: [] },
    network: {},
    signatures: [
      {
        name: 'creates_exe',
        description: 'Creates a Windows executable',
        categories: ['file'],
        severity: 2,
        weight: 1,
        confidence: 100,
        references: [],
        data: [{ file: files[0] ?? '' }],
        new_data: [],
        alert: false,
        families: [],
      },
    ],
    malscore: 4.2,
    ttps: [],
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
