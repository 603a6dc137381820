// What a report holds, taken from it as a whole by JSON.parse: the slow, plain way that the scanner must agree with.
import { toCall, toInteger, toText, toTime } from '../src/normalise.js'

type Json = Record<string, unknown>

const FILE_KEYS =
  /^(files|file_(created|recreated|opened|written|read|deleted|exists|failed|moved|copied)|directory_(created|removed|enumerated))$/
const KEY_KEYS = /^(keys|regkey_(opened|written|read|deleted))$/
const MUTEX_KEYS = /^(mutexes|mutex)$/

/** The rows of a report, with the values of lists that have no order sorted. */
export function rowsOf(report: Json) {
  const behavior = object(report.behavior)
  const processes = objects(behavior.processes)
  const isListed = Array.isArray(behavior.processes)
  const summary = object(behavior.summary)
  const { md5, sha256 } = texts(object(object(report.target).file), ['md5', 'sha256'])
  return {
    target: md5 || sha256 ? { md5, sha256 } : undefined,
    signatures: objects(report.signatures).map(signature => texts(signature, ['name', 'description', 'severity'])),
    processes: isListed ? processes.map(processOf) : treeOf(behavior.processtree),
    calls: processes.flatMap(process => {
      const name = `${toText(scalar(process.process_name))} (${toText(pidOf(process))})`
      return objects(process.calls)
        .filter(call => depthOf(call) <= 64)
        .map((call, index) => ({ ...toCall(call, index, text => text), process: name }))
    }),
    files: listed(summary, FILE_KEYS),
    keys: listed(summary, KEY_KEYS),
    mutexes: listed(summary, MUTEX_KEYS),
    ...assessmentOf(report),
    ...networkOf(object(report.network)),
    stored: [
      ...filesOf('dropped', report.dropped),
      ...filesOf('procdump', report.procdump),
      ...filesOf('payload', object(report.CAPE).payloads),
    ],
  }
}

function processOf(process: Json) {
  return {
    name: toText(scalar(process.process_name)),
    pid: toText(pidOf(process)),
    parentPid: toText(scalar(process.parent_id) ?? scalar(process.ppid)),
    firstSeen: toTime(scalar(process.first_seen), true),
  }
}

function treeOf(tree: unknown): ReturnType<typeof processOf>[] {
  return objects(tree).flatMap(({ name, pid, parent_id, children }) => {
    const [process] = [texts({ name, pid, parentPid: parent_id }, ['name', 'pid', 'parentPid'])]
    return [{ ...process, firstSeen: '' }, ...treeOf(children)]
  })
}

/** Errors, verdict, families, techniques and configurations. */
function assessmentOf(report: Json) {
  const { score = '' } = texts(object(report.info), ['score'])
  const { malscore, malstatus: status } = texts(report, ['malscore', 'malstatus'])
  const errors = object(report.debug).errors
  const found = Array.isArray(errors) ? errors.map(error => toText(scalar(error)).trim()) : []
  const verdict = { score: malscore || score, status }
  return {
    errors: found.filter(text => text !== ''),
    verdict: verdict.score || status ? verdict : undefined,
    detections: unique(familiesOf(report.detections)),
    techniques: unique([
      ...objects(report.signatures).flatMap(({ name, ttp }) => techniquesOf(ttp, name)),
      ...Object.entries(object(shallow(report.ttps))).map(([technique, signature]) => ({
        technique: toText(technique),
        signature: toText(signature),
      })),
      ...objects(report.ttps).flatMap(({ signature, ttp, ttps }) => [
        ...techniquesOf([scalar(ttp)], signature),
        ...techniquesOf(ttps, signature),
      ]),
    ]).filter(({ technique }) => technique !== ''),
    configs: unique(configsOf(object(report.CAPE).configs)),
  }
}

function familiesOf(detections: unknown): { family: string; engine: string }[] {
  const list = Array.isArray(detections) ? detections : [scalar(detections)]
  const found = list.flatMap((detection: unknown) => {
    const family = toText(isObject(detection) ? scalar(detection.family) : scalar(detection))
    const details = isObject(detection) ? shallow(detection.details) : []
    const engines = (Array.isArray(details) ? details : [details]).filter(isObject).flatMap(Object.keys)
    return (engines.length > 0 ? engines : ['']).map(engine => ({ family, engine: toText(engine) }))
  })
  return found.filter(({ family }) => family !== '')
}

function techniquesOf(several: unknown, signature: unknown): { technique: string; signature: string }[] {
  const value = shallow(several)
  const list = Array.isArray(value) ? value : Object.keys(object(value))
  const found = list.map(technique => ({ technique: toText(technique), signature: toText(scalar(signature)) }))
  return found.filter(({ technique }) => technique !== '')
}

function configsOf(configs: unknown): { family: string; key: string; value: string }[] {
  const walk = (value: unknown, keys: readonly string[]): { key: string; value: string }[] => {
    if (Array.isArray(value)) return value.flatMap(item => walk(item, keys))
    if (isObject(value)) return Object.entries(value).flatMap(([key, item]) => walk(item, [...keys, toText(key)]))
    return toText(value) === '' ? [] : [{ key: keys.join('.'), value: toText(value) }]
  }
  const families = objects(configs).flatMap(config => Object.entries(object(shallow(config))))
  return families
    .filter(([family]) => !/^_?associated_/.test(family))
    .flatMap(([family, content]) => walk(content, []).map(found => ({ family: toText(family), ...found })))
}

const HTTP_TEXTS = ['body', 'uri', 'method', 'host', 'version', 'path', 'data', 'user-agent'] as const

function networkOf({ hosts, domains, http }: Json) {
  const addresses = (Array.isArray(hosts) ? hosts : []).map(host => toText(scalar(isObject(host) ? host.ip : host)))
  return {
    hosts: addresses.filter(ip => ip !== ''),
    domains: objects(domains)
      .map(domain => texts(domain, ['domain', 'ip']))
      .filter(({ domain }) => domain !== ''),
    requests: objects(http).map(request => ({
      ...texts(request, HTTP_TEXTS),
      count: toInteger(scalar(request.count)),
      port: toInteger(scalar(request.port)),
    })),
  }
}

function filesOf(kind: string, files: unknown) {
  return objects(files).map(file => {
    const names = Array.isArray(file.name) ? file.name.map(scalar) : [scalar(file.name)]
    const { md5, sha256, cape_type, process_name, pid } = texts(file, FILE_TEXTS)
    const name = toText(names.find(one => one !== undefined))
    return { kind, name, md5, sha256, type: cape_type, process: process_name, pid }
  })
}

const FILE_TEXTS = ['md5', 'sha256', 'cape_type', 'process_name', 'pid'] as const

/** A container that is built as a whole; nothing in place of one that is too deep. */
function shallow(value: unknown): unknown {
  return depthOf(value) <= 64 ? value : undefined
}

function unique<T>(list: readonly T[]): T[] {
  return [...new Map(list.map(item => [JSON.stringify(item), item])).values()]
}

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function object(value: unknown): Json {
  return isObject(value) ? value : {}
}

function objects(value: unknown): Json[] {
  return Array.isArray(value) ? value.filter(isObject) : []
}

function scalar(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? undefined : value
}

function pidOf(process: Json): unknown {
  return scalar(process.process_id) ?? scalar(process.pid)
}

function texts<Name extends string>(from: Json, names: readonly Name[]): Record<Name, string> {
  const entries = names.map(name => [name, toText(scalar(from[name]))] as const)
  return Object.fromEntries(entries) as Record<Name, string>
}

function listed(summary: Json, names: RegExp): string[] {
  const lists = Object.entries(summary).filter(([name, list]) => names.test(name) && Array.isArray(list))
  const values = lists.flatMap(([, list]) => (Array.isArray(list) ? list.flat() : []))
  const found = values.filter(value => value !== null && scalar(value) !== undefined).map(toText)
  return [...new Set(found)].sort()
}

function depthOf(value: unknown): number {
  let depth = 0
  let level: unknown[] = [value]
  for (;;) {
    level = level.filter(item => typeof item === 'object' && item !== null).flatMap(item => Object.values(Object(item)))
    depth += 1
    if (level.length === 0) return depth
  }
}
