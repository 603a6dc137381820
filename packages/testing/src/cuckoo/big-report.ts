/** Reports of any size, streamed: for tests of limits, memory and speed. */
import { Seeded } from '../archive/seeded.js'
import type { ApiCall } from './behaviour.js'
import { type CuckooVersion, FLAVOURS } from './flavour.js'
import { PythonFloat, type PythonValue, pythonJson } from './python-json.js'
import { makeReport } from './report.js'
import { firstCall, secondCall } from './report-behaviour.js'
import { type SampleFacts, sampleFacts } from './sample.js'

export interface BigReportOptions {
  /** Length of the whole text; calls are added until it is reached, so it ends up to a few kB later. */
  readonly bytes: number
  /** Default 1. The same seed gives the same report. */
  readonly seed?: number
  /** `pretty` as Cuckoo writes it (default), or `compact`: everything on one line. */
  readonly format?: 'pretty' | 'compact'
  /** Default `1.2`. */
  readonly version?: CuckooVersion
  /** The sample the report is about, so that `target.file` fits. Default: made from the seed. */
  readonly sample?: SampleFacts
  /** The task's id. Default 1. */
  readonly id?: number
}

/** Different calls per report; they repeat with new times and ids. */
const POOL = 600
const CHUNK = 256 * 1024

/**
 * A valid report in which API calls make up the size, in constant memory.
 * Measured: 250 to 450 MB/s.
 */
export async function* bigReport(options: BigReportOptions): AsyncGenerator<Buffer> {
  const { version = '1.2', seed = 1, format = 'pretty' } = options
  const indent = format === 'pretty' ? 4 : 0
  const random = new Seeded(seed)
  const sample =
    options.sample ?? sampleFacts(Buffer.from(Array.from({ length: 400 }, () => random.hex(12)).join('\n')))
  const report = makeReport(sample, { version, id: options.id ?? 1, calls: 0 })
  const calls = new CallText(random, version, indent)
  const limit = options.bytes - pythonJson(report, { indent }).length
  let pending: string[] = []
  let length = 0
  for (const text of reportPieces(report, calls, limit, indent)) {
    pending.push(text)
    length += text.length
    if (length < CHUNK) continue
    yield Buffer.from(pending.join(''), 'latin1')
    pending = []
    length = 0
  }
  yield Buffer.from(pending.join(''), 'latin1')
}

/** The report's text, cut wherever a list of calls is to be filled. */
function* reportPieces(report: PythonValue, calls: CallText, limit: number, indent: number): Generator<string> {
  const [start = '', ...rest] = pythonJson(report, { indent }).split('"calls": []')
  yield start
  for (const text of rest) {
    yield '"calls": ['
    yield* calls.take(limit / rest.length)
    yield `${lineBreak(indent, 4)}]${text}`
  }
}

function lineBreak(indent: number, level: number): string {
  return indent === 0 ? '' : `\n${' '.repeat(indent * level)}`
}

/** Where a prepared call takes its time and its id. */
const TIME_MARK = '@time@'
const ID_MARK = 987_654_321
const FLOAT_MARK = 1_234_567_890.125

/** The texts of a pool of calls, ready but for time and id. */
class CallText {
  readonly #pool: { before: string; between: string; after: string }[]
  readonly #comma: string
  readonly #first: boolean
  #clock = Date.UTC(2015, 11, 1, 10, 0, 0)

  constructor(random: Seeded, version: CuckooVersion, indent: number) {
    this.#first = FLAVOURS[version].behaviour === 1
    this.#comma = `, ${lineBreak(indent, 5)}`
    this.#pool = Array.from({ length: POOL }, () => {
      const call = randomCall(random)
      const value = this.#first ? firstCall(call, ID_MARK, TIME_MARK) : secondCall(call, new PythonFloat(FLOAT_MARK))
      const text = pythonJson(value, { indent, level: 5 })
      const [before = '', rest = ''] = text.split(this.#first ? TIME_MARK : String(FLOAT_MARK))
      const [between = '', after = ''] = this.#first ? rest.split(String(ID_MARK)) : [rest]
      return { before, between, after }
    })
  }

  /** Calls with ids from 0, until their text is `length` long. */
  *take(length: number): Generator<string> {
    const start = this.#comma.slice(2)
    for (let written = 0, id = 0; written < length; id++) {
      const call = this.#pool[id % POOL] ?? { before: '', between: '', after: '' }
      const own = this.#first ? `${call.between}${id}${call.after}` : call.between
      const text = `${id === 0 ? start : this.#comma}${call.before}${this.#time()}${own}`
      written += text.length
      yield text
    }
  }

  #time(): string {
    this.#clock += 7
    if (!this.#first) return `${Math.floor(this.#clock / 1000)}.${String(this.#clock % 1000).padStart(3, '0')}1`
    const text = new Date(this.#clock).toISOString()
    return `${text.slice(0, 10)} ${text.slice(11, 19)},${text.slice(20, 23)}`
  }
}

const FOLDERS = [
  'C:\\WINDOWS\\system32\\',
  'C:\\Documents and Settings\\Administrator\\Local Settings\\Temp\\',
  'C:\\Users\\Jürgen\\AppData\\Roaming\\',
  'C:\\Users\\Администратор\\Desktop\\',
  '\\Device\\HarddiskVolume1\\ドキュメント\\',
] as const
const KEYS = [
  'Software\\Microsoft\\Windows\\CurrentVersion\\Run',
  'SYSTEM\\CurrentControlSet\\Control\\Session Manager',
  'CLSID\\{00021401-0000-0000-C000-000000000046}\\InProcServer32',
  'Software\\Bezeichnung "äöü"',
] as const
const FUNCTIONS = [
  'GetProcAddress',
  'VirtualAlloc',
  'CreateMutexW',
  'HttpSendRequestA',
  'CryptAcquireContextW',
] as const

/** A value of each kind that arguments have. */
const VALUES = {
  hex: (random: Seeded) => `0x${random.hex(8)}`,
  integer: (random: Seeded) => random.below(1_000_000),
  path: (random: Seeded) => `${random.pick(FOLDERS)}${random.hex(9)}.tmp`,
  key: (random: Seeded) => random.pick(KEYS),
  name: (random: Seeded) => random.pick(FUNCTIONS),
  buffer: (random: Seeded) => buffer(random),
} as const

/** Bytes as Cuckoo prints them, with everything that is special in JSON. */
function buffer(random: Seeded): string {
  const special = ['\\x00', '\\xff', '"', '\\', '\n', '\t', '{', '[', ']', '}', ',', ':'] as const
  return Array.from({ length: 10 + random.below(60) }, () =>
    random.below(3) ? random.hex(3) : random.pick(special),
  ).join('')
}

type Kind = keyof typeof VALUES
type Template = readonly [
  api: string,
  first: string,
  second: string,
  inputs: readonly (readonly [first: string, second: string, kind: Kind])[],
]

const TEMPLATES: readonly [Template, ...Template[]] = [
  [
    'LdrGetProcedureAddress',
    'system',
    'system',
    [
      ['Ordinal', 'ordinal', 'integer'],
      ['FunctionName', 'function_name', 'name'],
      ['FunctionAddress', 'function_address', 'hex'],
      ['ModuleHandle', 'module_address', 'hex'],
    ],
  ],
  [
    'NtCreateFile',
    'filesystem',
    'file',
    [
      ['ShareAccess', 'share_access', 'integer'],
      ['FileName', 'filepath', 'path'],
      ['DesiredAccess', 'desired_access', 'hex'],
      ['FileHandle', 'file_handle', 'hex'],
    ],
  ],
  [
    'NtReadFile',
    'filesystem',
    'file',
    [
      ['Buffer', 'buffer', 'buffer'],
      ['FileHandle', 'file_handle', 'hex'],
      ['Length', 'length', 'integer'],
    ],
  ],
  [
    'RegOpenKeyExW',
    'registry',
    'registry',
    [
      ['Handle', 'key_handle', 'hex'],
      ['Registry', 'base_handle', 'hex'],
      ['SubKey', 'regkey', 'key'],
    ],
  ],
  ['RegCloseKey', 'registry', 'registry', [['Handle', 'key_handle', 'hex']]],
  [
    'NtAllocateVirtualMemory',
    'process',
    'process',
    [
      ['Protection', 'protection', 'hex'],
      ['BaseAddress', 'base_address', 'hex'],
      ['RegionSize', 'region_size', 'integer'],
    ],
  ],
  [
    'NtDelayExecution',
    'system',
    'synchronisation',
    [
      ['Milliseconds', 'milliseconds', 'integer'],
      ['Status', 'skipped', 'integer'],
    ],
  ],
  [
    'NtCreateMutant',
    'synchronization',
    'synchronisation',
    [
      ['Handle', 'mutant_handle', 'hex'],
      ['MutexName', 'mutant_name', 'name'],
    ],
  ],
]

function randomCall(random: Seeded): ApiCall {
  const [api, first, second, inputs] = random.pick(TEMPLATES)
  return {
    api,
    category: [first, second],
    succeeded: random.below(8) > 0,
    result: random.below(3) === 0 ? random.next() : 0,
    repeated: random.below(20) === 0 ? random.below(50) : 0,
    inputs: inputs.map(([one, two, kind]) => [one, two, VALUES[kind](random)] as const),
  }
}
