/** What differs between the Cuckoo versions that the stand-in can be. */

/** `2.0-dev` is the development version of 2015-11-30, the one the Go suite was written against. */
export type CuckooVersion = '1.2' | '1.3' | '2.0-dev' | '2.0'

export interface Flavour {
  /** What `/cuckoo/status` and reports call themselves. */
  readonly version: string
  /** The web framework decides over error pages, header spelling and form parsing. */
  readonly framework: 'bottle' | 'flask'
  /** Without it `/tasks/list/<limit>` answers an empty list: a swallowed SQL error. */
  readonly listLimitWorks: boolean
  /** Without it `?tar=` is ignored and archives are always bzip2. */
  readonly tarOption: boolean
  readonly diskspace: boolean
  readonly owner: boolean
  /** `/tasks/view` gives dates as `Sun, 22 Mar 2020 16:41:50 GMT`: local time, mislabelled. */
  readonly httpDates: boolean
  /** `options` of a task is an object, and `duration`, `processing`, `submit_id` … are there. */
  readonly newTaskFields: boolean
  readonly reportType: string
  /** 1: `process_id`, argument lists, dates. 2: `pid`, argument objects, floats. */
  readonly behaviour: 1 | 2
  /** `info.started` and the like are floats. */
  readonly floatDates: boolean
  /** Asked for the dropped files of a task without a folder: 500, or an empty archive. */
  readonly droppedOfPending: 'error' | 'empty'
  /** Chunked uploads are understood; otherwise they read as an empty form. */
  readonly chunked: boolean
  /** Deleting a task with tags deletes all others, and the machines, that have one of them. */
  readonly cascadesTags: boolean
  /** Boolean fields are parsed, and an empty one is an error; otherwise any text is true. */
  readonly parsedBooleans: boolean
}

const bottle = {
  framework: 'bottle',
  reportType: 'text/html; charset=UTF-8',
  httpDates: false,
  newTaskFields: false,
  behaviour: 1,
  floatDates: false,
  droppedOfPending: 'error',
  chunked: true,
  cascadesTags: true,
  parsedBooleans: false,
} as const

const flask = {
  framework: 'flask',
  cascadesTags: false,
  listLimitWorks: true,
  tarOption: true,
  diskspace: true,
  owner: true,
  behaviour: 2,
} as const

/** `cuckoosandbox/cuckoo:utils/api.py` (1.2, 1.3, 2.0-dev) and `cuckoosandbox/cuckoo:cuckoo/apps/api.py` (2.0). */
export const FLAVOURS: Readonly<Record<CuckooVersion, Flavour>> = {
  '1.2': { ...bottle, version: '1.2', listLimitWorks: false, tarOption: false, diskspace: false, owner: false },
  '1.3': { ...bottle, version: '1.3-dev', listLimitWorks: true, tarOption: true, diskspace: true, owner: true },
  '2.0-dev': {
    ...flask,
    version: '2.0-dev',
    httpDates: false,
    newTaskFields: false,
    reportType: 'text/html; charset=utf-8',
    floatDates: false,
    droppedOfPending: 'empty',
    chunked: false,
    parsedBooleans: false,
  },
  '2.0': {
    ...flask,
    version: '2.0.7',
    httpDates: true,
    newTaskFields: true,
    reportType: 'application/json',
    floatDates: true,
    droppedOfPending: 'error',
    chunked: true,
    parsedBooleans: true,
  },
}

/** `YYYY-MM-DD HH:MM:SS` in the server's own time zone, as Cuckoo stores and compares dates. */
export function localStamp(date: Date): string {
  return new Date(localAsUtc(date)).toISOString().slice(0, 19).replace('T', ' ')
}

/** Milliseconds of the local wall clock read as if it were UTC: what Cuckoo 2.0 sends as dates and floats. */
export function localAsUtc(date: Date): number {
  return date.getTime() - date.getTimezoneOffset() * 60_000
}
