/** What a CAPE may be like: which endpoints are on, who may use it, and what it runs on. */
import type { SandboxOptions } from '../cuckoo/sandbox.js'
import type { CuckooTask } from '../cuckoo/task.js'

/** Sections of `conf/api.conf` (`kevoreilly/CAPEv2:conf/default/api.conf.default`) that the stand-in knows. */
export type CapeSection =
  | 'cuckoostatus'
  | 'filecreate'
  | 'urlcreate'
  | 'taskview'
  | 'taskstatus'
  | 'tasklist'
  | 'tasksearch'
  | 'taskreport'
  | 'taskdropped'
  | 'taskdelete'
  | 'taskpcap'
  | 'taskscreenshot'
  | 'payloadfiles'
  | 'procdumpfiles'
  | 'taskprocmemory'
  | 'taskfullmemory'
  | 'machinelist'

/** Those that are off as CAPE is shipped. */
export const OFF_BY_DEFAULT: readonly CapeSection[] = [
  ...(['cuckoostatus', 'taskdelete', 'procdumpfiles', 'machinelist'] as const),
  // Of dumps of processes it is its switch `all`.
  ...(['taskprocmemory', 'taskfullmemory'] as const),
]

/** Somebody who may use a CAPE with `token_auth_enabled = yes`. */
export interface CapeUser {
  readonly name: string
  readonly keys: readonly string[]
  readonly revoked?: readonly string[]
  /** Requests a minute over all keys and endpoints. Default 5, as CAPE's; null: no bound. */
  readonly rate?: number | null
  /** Has no bound, and may delete although that is off. */
  readonly staff?: boolean
  /** May download reports where not everybody may. */
  readonly reports?: boolean
}

type OfSandbox = 'machines' | 'idle' | 'machineTags' | 'analysisTime' | 'processingTime'

export interface CapeOptions extends Partial<Pick<SandboxOptions, OfSandbox>> {
  /** Default 0: any free port. */
  readonly port?: number
  /** Sections that are on beside those of a fresh installation, and that are off. */
  readonly on?: readonly CapeSection[]
  readonly off?: readonly CapeSection[]
  /** Whoever has a key; absent: `token_auth_enabled = no`, everybody may do everything and nothing is throttled. */
  readonly users?: readonly CapeUser[]
  /** `ratelimit = yes`; default true. */
  readonly rateLimit?: boolean
  /** How long requests are counted, in milliseconds. Default a minute; shorter for tests. */
  readonly rateWindow?: number
  /** `runserver_plus` with `DEBUG = True` on SQLite, as its unit does (default), or gunicorn without on PostgreSQL. */
  readonly server?: 'debug' | 'production'
  /** `reports_dl_allowed_to_all`; default true. */
  readonly reportsForAll?: boolean
  /** Multi-tenancy: `shared` answers 404 for unknown tasks, `locked` also for those of other users. */
  readonly tenancy?: 'off' | 'shared' | 'locked'
  /** `uniq_submission`: a file that is known is refused. */
  readonly unique?: boolean
  /** A task for each part of a form, not for the first only. */
  readonly multifile?: boolean
  /** `delete_many` is no violation. It works all the same, as CAPE has no switch for it. */
  readonly deleteMany?: boolean
  /** The module that writes `lite.json` is on. Default false, as shipped. */
  readonly liteReport?: boolean
  /** `max_sample_size`; default 30,000,000 bytes. */
  readonly maxSampleSize?: number
  /** As it calls itself; the filter of junk names came with 2.5. Default `2.5`. */
  readonly version?: string
  /** GiB free on `/`. Default 72. */
  readonly freeGiB?: number
  /** `zip_pwd` of `[zipped_download]`; default `infected`. */
  readonly zipPassword?: string
  /** Tasks for one upload, as some containers give: one for each member. Default 1. */
  readonly tasksPerUpload?: (name: string) => number
  /** What `report.json` holds; null: there is none although the task is reported. */
  readonly report?: (task: CuckooTask) => string | Buffer | null
  /** Whether the archive of dropped files and payloads is there at all. */
  readonly artefacts?: (task: CuckooTask) => CapeArtefacts
}

/** What an analysis left beside its report. Default: files that follow from the sample. */
export interface CapeArtefacts {
  readonly dropped?: readonly { readonly name: string; readonly content: Buffer }[]
  readonly payloads?: readonly Buffer[]
  readonly procdump?: readonly Buffer[]
  readonly pcap?: Buffer
  /** Dumps of processes by pid. */
  readonly memory?: Readonly<Record<string, Buffer>>
  readonly fullMemory?: Buffer
  readonly screenshots?: readonly Buffer[]
}
