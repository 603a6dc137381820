// One run of a sample as Cuckoo 1.2, Cuckoo 2.0.7 and CAPE 2.5 report it, and the rows that all three are to give.
import { createHash } from 'node:crypto'

const MD5 = createHash('md5').update('MZ a sample').digest('hex')
const GET = 'GET /gate.php HTTP/1.1\r\nHost: evil.example\r\n\r\n'
const REQUESTS = [
  {
    ...{ count: 2, host: 'evil.example', port: 80, data: GET, uri: 'http://evil.example/gate.php', body: '' },
    ...{ path: '/gate.php', 'user-agent': 'Mozilla/4.0', version: '1.1', method: 'GET' },
  },
  {
    ...{ count: 1, host: 'evil.example', port: 8080, data: 'POST', uri: 'http://evil.example:8080/', body: 'a=1' },
    ...{ path: '/', 'user-agent': 'Mozilla/4.0', version: '1.0', method: 'POST' },
  },
  {
    ...{ count: 1, host: 'b.example', port: 80, data: 'GET', uri: 'http://b.example/', body: '', path: '/' },
    ...{ version: '1.1', method: 'GET' },
  },
]
const DOMAINS = [
  { ip: '198.51.100.5', domain: 'evil.example' },
  { ip: '', domain: 'gone.example' },
]

const CUCKOO_12 = {
  signatures: [
    {
      families: [],
      description: 'Creates a mutex',
      severity: 1,
      references: [],
      alert: false,
      data: [],
      name: 'mutex',
    },
    { families: [], description: 'Steals é', severity: 3, references: [], alert: false, data: [], name: 'steals' },
  ],
  dropped: [],
  network: {
    udp: [],
    http: REQUESTS,
    smtp: [],
    tcp: [],
    hosts: ['198.51.100.5', '198.51.100.6'],
    dns: [],
    domains: DOMAINS,
    irc: [],
  },
  info: {
    ...{ category: 'file', package: 'exe', started: '2020-03-22 16:42:01', custom: '', ended: '2020-03-22 16:44:10' },
    machine: { label: 'vm1', manager: 'VirtualBox', name: 'vm1', id: 1 },
    ...{ version: '1.2', duration: 129, id: 1 },
  },
  target: { category: 'file', file: { md5: MD5 } },
  behavior: {
    processtree: [{ parent_id: 1412, pid: 1888, name: 'a.exe', children: [] }],
    processes: [
      {
        ...{ parent_id: 1412, process_name: 'a.exe', process_id: 1888, first_seen: '2020-03-22 16:42:02,100' },
        calls: [
          {
            ...{ category: 'system', status: true, return: '0x00000000', timestamp: '2020-03-22 16:42:02,250' },
            ...{
              thread_id: '1892',
              repeated: 0,
              api: 'NtClose',
              arguments: [{ name: 'Handle', value: '0x44' }],
              id: 0,
            },
          },
        ],
      },
      {
        ...{ parent_id: 1888, process_name: 'cmd.exe', process_id: 2020, first_seen: '2020-03-22 16:42:03,000' },
        calls: [],
      },
    ],
    anomaly: [],
    enhanced: [],
    summary: { files: ['C:\\a', 'C:\\b', 'C:\\c'], keys: ['HKEY_LOCAL_MACHINE\\k'], mutexes: ['m'] },
  },
  debug: { errors: ['a timeout'], log: '' },
  strings: [],
}

const CUCKOO_20 = {
  info: {
    ...{
      added: 1584895300.5,
      started: 1584895321.138,
      duration: 129,
      ended: 1584895450.2,
      owner: '',
      score: 1.4,
      id: 1,
    },
    ...{ category: 'file', git: {}, monitor: 'x', package: 'exe', route: null, custom: '' },
    machine: { status: 'stopped', name: 'vm1', label: 'vm1', manager: 'VirtualBox' },
    ...{ platform: 'windows', version: '2.0.7', options: '' },
  },
  signatures: [
    {
      ...{ families: [], description: 'Creates a mutex', severity: 1, ttp: {}, markcount: 1, references: [] },
      ...{ marks: [{ type: 'ioc', ioc: 'm' }], name: 'mutex' },
    },
    {
      families: [],
      description: 'Steals é',
      severity: 3,
      ttp: {},
      markcount: 0,
      references: [],
      marks: [],
      name: 'steals',
    },
  ],
  target: { category: 'file', file: { md5: MD5, urls: [] } },
  network: { mitm: [], hosts: ['198.51.100.5', '198.51.100.6'], domains: DOMAINS, http: REQUESTS, http_ex: [] },
  behavior: {
    generic: [],
    apistats: {},
    processes: [
      {
        calls: [
          {
            ...{ category: 'system', status: 1, stacktrace: [], api: 'NtClose', return_value: 0 },
            ...{ arguments: { Handle: '0x44' }, time: 1584895322.25, tid: 1892, flags: {} },
          },
        ],
        ...{ track: true, pid: 1888, process_name: 'a.exe', first_seen: 1584895322.1, ppid: 1412, type: 'process' },
      },
      { calls: [], track: true, pid: 2020, process_name: 'cmd.exe', first_seen: 1584895323.0, ppid: 1888 },
    ],
    processtree: [],
    summary: {
      file_created: ['C:\\a'],
      file_moved: [['C:\\a', 'C:\\b']],
      file_read: ['C:\\c'],
      regkey_opened: ['HKEY_LOCAL_MACHINE\\k'],
      regkey_read: ['HKEY_LOCAL_MACHINE\\k'],
      mutex: ['m'],
    },
  },
  debug: { action: [], errors: ['a timeout'], log: [] },
}

const CAPE = {
  statistics: { processing: [] },
  target: { category: 'file', file: { name: 'a.exe', md5: MD5 } },
  procdump: [],
  dropped: [],
  CAPE: { payloads: [], configs: [] },
  info: {
    ...{ version: '2.5', started: '2020-03-22 16:42:01', ended: '2020-03-22 16:44:10', duration: 129, id: 1 },
    ...{ category: 'file', custom: '', machine: { id: 1, status: 'stopped', name: 'vm1', label: 'vm1' } },
    ...{ package: 'exe', timeout: false, tlp: null, parent_sample: null, options: {}, user_id: 0 },
  },
  behavior: {
    processes: [
      {
        ...{ process_id: 1888, process_name: 'a.exe', parent_id: 1412, module_path: 'C:\\a.exe' },
        first_seen: '2020-03-22 16:42:02,100',
        calls: [
          {
            ...{ timestamp: '2020-03-22 16:42:02,250', thread_id: '1892', caller: '0x1', parentcaller: '0x0' },
            ...{ category: 'system', api: 'NtClose', status: true, return: '0x00000000' },
            ...{ arguments: [{ name: 'Handle', value: '0x44' }], repeated: 0, id: 0 },
          },
        ],
        ...{ threads: ['1892'], environ: {}, file_activities: { read_files: [], write_files: [], delete_files: [] } },
      },
      {
        ...{ process_id: 2020, process_name: 'cmd.exe', parent_id: 1888, first_seen: '2020-03-22 16:42:03,000' },
        calls: [],
      },
    ],
    anomaly: [],
    processtree: [],
    summary: {
      ...{ files: ['C:\\a', 'C:\\b', 'C:\\c'], read_files: ['C:\\c'], keys: ['HKEY_LOCAL_MACHINE\\k'], read_keys: [] },
      ...{ executed_commands: [], resolved_apis: [], mutexes: ['m'] },
    },
  },
  debug: { log: '', errors: ['a timeout'] },
  network: {
    hosts: ['198.51.100.5', '198.51.100.6'].map(ip => ({ ip, country_name: 'unknown', hostname: '', ports: [80] })),
    domains: DOMAINS,
    http: REQUESTS.map(request => ({ 'user-agent': '', ...request, first_seen: 1584895322.5 })),
    dead_hosts: [],
  },
  signatures: [
    { name: 'mutex', description: 'Creates a mutex', categories: [], severity: 1, weight: 1, data: [], families: [] },
    { name: 'steals', description: 'Steals é', categories: [], severity: 3, weight: 1, data: [], families: [] },
  ],
  malscore: 1.4,
  ttps: [],
}

/** By sandbox, about the sample of `submitterScene`. */
export const SAME_RUN = { 'Cuckoo 1.2': CUCKOO_12, 'Cuckoo 2.0.7': CUCKOO_20, CAPE } as const

const rows = (subtype: string, list: readonly (readonly [string, Record<string, unknown>])[]) =>
  list.map(([result, fields]) => ({ subtype, result, ...fields }))
const bare = (subtype: string, list: readonly string[]) => list.map(result => ({ subtype, result }))

/** What CRITs is to have of each of them, API calls not counted. */
export const SAME_ROWS = [
  ...rows('info', [['vm1', { started: '2020-03-22 16:42:01', ended: '2020-03-22 16:44:10', analysis_id: '1' }]]),
  ...rows('signature', [
    ['Creates a mutex', { severity: '1', name: 'mutex' }],
    ['Steals é', { severity: '3', name: 'steals' }],
  ]),
  ...rows('process', [
    ['a.exe', { process_id: '1888', parent_id: '1412', first_seen: '2020-03-22 16:42:02,100' }],
    ['cmd.exe', { process_id: '2020', parent_id: '1888', first_seen: '2020-03-22 16:42:03,000' }],
  ]),
  ...bare('file', ['C:\\a', 'C:\\b', 'C:\\c']),
  ...bare('registry_key', ['HKEY_LOCAL_MACHINE\\k']),
  ...bare('mutex', ['m']),
  ...bare('Host', ['198.51.100.5', '198.51.100.6']),
  ...rows('Domain', [
    ['evil.example', { ip: '198.51.100.5' }],
    ['gone.example', { ip: '' }],
  ]),
  ...rows('Resolved IP', [['198.51.100.5', { domain: 'evil.example' }]]),
  ...rows(
    'HTTP Request',
    REQUESTS.map(request => [request.uri, { 'user-agent': '', ...request }]),
  ),
  ...bare('User-Agent', ['Mozilla/4.0', 'Mozilla/4.0']),
  {
    ...{ subtype: 'api_call', result: 'NtClose', category: 'system', status: 'true', return: '0x00000000' },
    ...{ api: 'NtClose', timestamp: '2020-03-22 16:42:02,250', thread_id: '1892', repeated: 0, id: 0 },
    ...{ process: 'a.exe (1888)', arguments: [{ name: 'Handle', value: '0x44' }] },
  },
]
