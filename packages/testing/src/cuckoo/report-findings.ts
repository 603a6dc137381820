/** What a sandbox concludes of an invented run, in the three shapes: signatures and the traffic in the capture. */
import { type Behaviour, urlsOf } from './behaviour.js'
import type { PythonValue } from './python-json.js'

export type ReportShape = 1 | 2 | 'CAPE'

interface Evidence {
  readonly name: string
  readonly description: string
  readonly severity: number
  readonly technique: string
  readonly field: string
  readonly found: readonly string[]
}

/** Signatures that matched. */
function evidenceOf({ mutexes, files, addresses, strings }: Behaviour): Evidence[] {
  const all: Evidence[] = [
    {
      ...{ name: 'creates_mutex', description: 'Creates a mutex', severity: 1, technique: 'T1480' },
      ...{ field: 'mutex', found: mutexes },
    },
    {
      ...{ name: 'creates_exe', description: 'Creates a Windows executable on the filesystem', severity: 2 },
      ...{ technique: 'T1105', field: 'file', found: files },
    },
    {
      ...{ name: 'connects_ip', description: 'Connects to a server that does not answer', severity: 2 },
      ...{ technique: 'T1095', field: 'ip', found: addresses },
    },
    {
      ...{ name: 'embedded_url', description: 'Holds a URL', severity: 3, technique: 'T1071', field: 'url' },
      found: strings.filter(text => /https?:\/\//.test(text)),
    },
  ]
  return all.filter(({ found }) => found.length > 0)
}

export function signaturesSection(behaviour: Behaviour, shape: ReportShape): PythonValue[] {
  return evidenceOf(behaviour).map(({ name, description, severity, technique, field, found }): PythonValue => {
    const values = found.slice(0, 8)
    const data = values.map(value => ({ [field]: value }))
    if (shape === 1) return { families: [], description, severity, references: [], alert: false, data, name }
    const marks = values.map(ioc => ({ category: field, ioc, type: 'ioc', description: null }))
    const ttp = { [technique]: { short: description, long: description } }
    if (shape === 2) {
      return { families: [], description, severity, ttp, markcount: found.length, references: [], marks, name }
    }
    return {
      ...{ name, description, categories: ['file'], severity, weight: 1, confidence: 100 },
      ...{ references: [], data, new_data: [], alert: false, families: [] },
    }
  })
}

/** CAPE's list of techniques. */
export function ttpsSection(behaviour: Behaviour): PythonValue[] {
  return evidenceOf(behaviour).map(({ name, technique }) => ({ signature: name, ttps: [technique], mbcs: [] }))
}

/** Cuckoo lists hosts as addresses, CAPE as objects: kevoreilly/CAPEv2:modules/processing/network.py. */
export function networkSection(behaviour: Behaviour, shape: ReportShape): PythonValue {
  const urls = urlsOf(behaviour)
  const { addresses } = behaviour
  const names = [...new Set(urls.map(({ host }) => host))]
  const requests = urls.map(({ host, path, uri }) => {
    const data = `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: Mozilla/4.0\r\n\r\n`
    const sent = { method: 'GET', 'user-agent': 'Mozilla/4.0', version: '1.1', body: '', data }
    const request: Record<string, PythonValue> = { count: 1, host, port: 80, uri, path, ...sent }
    return shape === 'CAPE' ? { ...request, first_seen: 1449129600.25 } : request
  })
  const hosts = shape === 'CAPE' ? addresses.map(hostObject) : [...addresses]
  const domains = names.map(domain => ({ ip: addresses[0] ?? '', domain }))
  const rest = { tcp: [], udp: [], icmp: [], dns: [], smtp: [], irc: [] }
  return { ...(shape === 2 ? { mitm: [] } : {}), ...rest, http: requests, hosts, domains }
}

function hostObject(ip: string): PythonValue {
  return { ip, country_name: 'unknown', asn: '', asn_name: '', hostname: '', inaddrarpa: '', ports: [80] }
}
