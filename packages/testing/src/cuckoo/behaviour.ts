/** An invented run of a sample: what it does follows from its content, so different files give different reports. */
import { Seeded } from '../archive/seeded.js'
import { printableStrings, type SampleFacts } from './sample.js'

/** One API call in both spellings: `first` for Cuckoo 1.x, `second` for 2.0. */
export interface ApiCall {
  readonly api: string
  readonly category: readonly [first: string, second: string]
  readonly succeeded: boolean
  readonly result: number
  readonly repeated: number
  /** [name in 1.x, name in 2.0, value]; numbers stay numbers in 2.0. */
  readonly inputs: readonly (readonly [first: string, second: string, value: string | number])[]
}

export interface ProcessRun {
  readonly pid: number
  readonly parent: number
  readonly name: string
  readonly path: string
  readonly calls: readonly ApiCall[]
}

export interface Behaviour {
  readonly processes: readonly ProcessRun[]
  /** The last one is the new name of the first. */
  readonly files: readonly string[]
  readonly keys: readonly string[]
  readonly mutexes: readonly string[]
  readonly addresses: readonly string[]
  readonly strings: readonly string[]
}

const TEMP = 'C:\\DOCUME~1\\user\\LOCALS~1\\Temp\\'

/** Derives `callCount` calls of two processes, and the names in them, from the sample's strings and hashes. */
export function behaviourOf(sample: SampleFacts, sampleName: string, callCount: number): Behaviour {
  const random = new Seeded(Number.parseInt(sample.md5.slice(0, 8) || '0', 16))
  const strings = printableStrings(sample.head)
  const words = [sample.md5.slice(0, 12), ...strings.map(wordOf)]
  const files = [...words.map(word => `${TEMP}${word}.tmp`), `${TEMP}${words[0]}.tmp.old`]
  const keys = words.map(word => `HKEY_LOCAL_MACHINE\\Software\\${word}`)
  const mutexes = words.map(word => `Local\\${word}`)
  const addresses = [`10.${random.below(256)}.${random.below(256)}.${random.below(256)}`]
  const pool = words.flatMap((_, index) => [
    fileCall(files[index] ?? '', random),
    writeCall(strings[index] ?? sample.md5, random),
    keyCall(keys[index] ?? '', random),
    mutexCall(mutexes[index] ?? '', random),
  ])
  const last = connectCall(addresses[0] ?? '', random)
  pool.push(last)
  const calls = Array.from({ length: callCount }, (_, index) => pool[index % pool.length] ?? last)
  const own = Math.ceil(callCount * 0.7)
  const processes = [
    { pid: 1888, parent: 1412, name: sampleName, path: `${TEMP}${sampleName}`, calls: calls.slice(0, own) },
    { pid: 2020, parent: 1888, name: 'cmd.exe', path: 'C:\\WINDOWS\\system32\\cmd.exe', calls: calls.slice(own) },
  ]
  return { processes, files, keys, mutexes, addresses, strings }
}

/** The URLs among the strings; each was asked for once. */
export function urlsOf({
  strings,
}: Behaviour): { readonly uri: string; readonly host: string; readonly path: string }[] {
  const found = strings.flatMap(text => [...text.matchAll(/https?:\/\/([A-Za-z0-9.-]+)(\/[!-~]*)?/g)])
  return found.map(([uri, host = '', path = '/']) => ({ uri, host, path }))
}

function wordOf(text: string): string {
  return text.replace(/[^A-Za-z0-9_.-]+/g, '_').slice(0, 40)
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`
}

function fileCall(path: string, random: Seeded): ApiCall {
  return {
    api: 'NtCreateFile',
    category: ['filesystem', 'file'],
    succeeded: true,
    result: 0,
    repeated: 0,
    inputs: [
      ['FileName', 'filepath', path],
      ['DesiredAccess', 'desired_access', hex(0x40100080)],
      ['CreateDisposition', 'create_disposition', 5],
      ['FileHandle', 'file_handle', hex(random.below(4096))],
    ],
  }
}

function writeCall(text: string, random: Seeded): ApiCall {
  return {
    api: 'NtWriteFile',
    category: ['filesystem', 'file'],
    succeeded: true,
    result: 0,
    repeated: random.below(3),
    inputs: [
      ['Buffer', 'buffer', `MZ\\x90\\x00${text}`],
      ['FileHandle', 'file_handle', hex(random.below(4096))],
      ['Length', 'length', text.length + 4],
    ],
  }
}

function keyCall(key: string, random: Seeded): ApiCall {
  const succeeded = random.below(4) > 0
  return {
    api: 'RegOpenKeyExW',
    category: ['registry', 'registry'],
    succeeded,
    result: succeeded ? 0 : 2,
    repeated: 0,
    inputs: [
      ['Handle', 'key_handle', hex(random.below(4096))],
      ['SubKey', 'regkey', key],
    ],
  }
}

function mutexCall(name: string, random: Seeded): ApiCall {
  return {
    api: 'NtCreateMutant',
    category: ['synchronization', 'synchronisation'],
    succeeded: true,
    result: 0x40000000,
    repeated: 0,
    inputs: [
      ['Handle', 'mutant_handle', hex(random.below(4096))],
      ['MutexName', 'mutant_name', name],
    ],
  }
}

function connectCall(address: string, random: Seeded): ApiCall {
  return {
    api: 'connect',
    category: ['network', 'network'],
    succeeded: false,
    result: 0xffffffff,
    repeated: 0,
    inputs: [
      ['ip', 'ip_address', address],
      ['socket', 'socket', 256 + random.below(64)],
      ['port', 'port', 80],
    ],
  }
}
