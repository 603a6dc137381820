// What the metrics of the overseer say of dumps and, as far as the journal has heard, of samples.
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Figure } from '@cuckoo-distributed/core'
import { isDumpName } from './dump-file.js'
import type { OpenSamples } from './journal/open-samples.js'

/** Dumps without a time in their name that are looked at for their age. */
const MOST_LOOKS = 1000

export function dumpFigures(dir: string): Figure[] {
  return [
    {
      name: 'dumps',
      help: 'Messages in DumpDir',
      kind: 'gauge',
      read: async () => (await dumpsIn(dir)).length,
    },
    {
      name: 'oldest_dump_timestamp_seconds',
      help: 'When the oldest message in DumpDir had failed; missing without one',
      kind: 'gauge',
      read: () => oldestDump(dir),
    },
  ]
}

export function sampleFigures(open: OpenSamples): Figure[] {
  return [
    {
      name: 'open_samples',
      help: 'Samples in progress, as far as this overseer knows',
      kind: 'gauge',
      read: () => open.count,
    },
    {
      name: 'oldest_open_sample_timestamp_seconds',
      help: 'When the longest-running sample was first seen; missing without one',
      kind: 'gauge',
      read: () => open.oldest && open.oldest.since / 1000,
    },
    {
      name: 'shared_cause_waiting_samples',
      help: 'Samples that wait until the shared cause of their failure is fixed, by its code',
      kind: 'gauge',
      label: 'code',
      read: () => open.waiting,
    },
  ]
}

async function dumpsIn(dir: string): Promise<string[]> {
  return (await readdir(dir)).filter(isDumpName)
}

async function oldestDump(dir: string): Promise<number | undefined> {
  const names = await dumpsIn(dir)
  const times = names.map(timeIn).filter(time => time !== undefined)
  for (const name of names.filter(name => timeIn(name) === undefined).slice(0, MOST_LOOKS)) {
    // Gone meanwhile: it is put back to work.
    const age = await stat(join(dir, name)).catch(() => undefined)
    if (age) times.push(age.mtimeMs / 1000)
  }
  return times.length === 0 ? undefined : times.reduce((oldest, time) => Math.min(oldest, time))
}

/** Seconds since 1970 in the name of a dump, if it has a time. */
function timeIn(name: string): number | undefined {
  const [, date, hours, minutes, seconds] = /^(\d{4}\d\d\d\d)T(\d\d)(\d\d)(\d\d\.\d{3})Z-/.exec(name) ?? []
  if (date === undefined) return undefined
  const day = `${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6)}`
  const time = Date.parse(`${day}T${hours}:${minutes}:${seconds}Z`)
  return Number.isNaN(time) ? undefined : time / 1000
}
