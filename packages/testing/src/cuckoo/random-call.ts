/** API calls at random, for big reports. */
import type { Seeded } from '../archive/seeded.js'
import type { ApiCall } from './behaviour.js'

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

/** A call with arguments of all kinds, non-ASCII text and everything that is special in JSON among them. */
export function randomCall(random: Seeded): ApiCall {
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
