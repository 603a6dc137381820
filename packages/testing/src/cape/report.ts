/** What CAPE writes about an analysis: `report.json`, and `lite.json` without what the processes did. */
import { capeReport } from '../cuckoo/cape-report.js'
import type { PythonValue } from '../cuckoo/python-json.js'
import { type SampleFacts, sampleFacts } from '../cuckoo/sample.js'
import type { CuckooTask } from '../cuckoo/task.js'
import type { CapeArtefacts } from './options.js'

/** `kevoreilly/CAPEv2:modules/reporting/litereport.py`. */
const LITE = ['CAPE', 'procdump', 'info', 'signatures', 'dropped', 'static', 'target', 'network', 'malscore', 'ttps']

/** The report about a task; `parent` is the archive that its file came out of. */
export function reportOf(task: CuckooTask, parent: SampleFacts | undefined, { dropped = [] }: CapeArtefacts): string {
  const { id, fileName: name, custom, startedOn, addedOn, completedOn } = task
  const times = { started: startedOn ?? addedOn, ended: completedOn ?? new Date() }
  const { info, ...rest } = capeReport(task.sample, { id, name, custom, ...times })
  const report = {
    ...rest,
    info: {
      ...members(info),
      ...(parent && { parent_sample: { sha256: parent.sha256, md5: parent.md5 } }),
    },
    dropped: dropped.map(({ name, content }) => droppedEntry(name, content)),
  }
  return JSON.stringify(report, undefined, 2)
}

/** `text` is a `report.json`; anything that is none stays as it is. */
export function liteOf(text: string | Buffer): string | Buffer {
  try {
    const whole = JSON.parse(String(text))
    const { processtree = [], summary = {} } = whole.behavior ?? {}
    const lite = Object.fromEntries(LITE.filter(key => key in whole).map(key => [key, whole[key]]))
    return JSON.stringify({ ...lite, behavior: { processtree, summary } })
  } catch {
    return text
  }
}

function droppedEntry(name: string, content: Buffer): PythonValue {
  const { md5, sha1, sha256, sha512, crc32, size, type } = sampleFacts(content)
  const path = `/opt/CAPEv2/storage/analyses/1/files/${sha256}`
  return { name: [name], path, guest_paths: [name], size, crc32, md5, sha1, sha256, sha512, type, pid: '' }
}

function members(value: PythonValue | undefined): { readonly [key: string]: PythonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as { readonly [key: string]: PythonValue })
    : {}
}
