// The wanted part of `network`, as crits/crits_services:cuckoo_service/__init__.py reads it.
import type { Node } from '@cuckoo-distributed/json-scanner'
import { Fields } from './fields.js'
import { toInteger, toText } from './normalise.js'
import type { ReportSink } from './sink.js'

const HTTP_TEXTS = ['body', 'uri', 'method', 'host', 'version', 'path', 'data', 'user-agent'] as const

export function networkNode(sink: ReportSink): Node {
  const fields = new Map([
    ['hosts', hostsNode(sink)],
    ['domains', domainsNode(sink)],
    ['http', httpNode(sink)],
  ])
  return { object: { fields } }
}

/** Cuckoo lists addresses, CAPE objects with an `ip`: kevoreilly/CAPEv2:modules/processing/network.py. */
function hostsNode(sink: ReportSink): Node {
  const take = (ip: string): void => {
    if (ip !== '') sink.onHost?.(ip)
  }
  const host = new Fields(['ip'])
  const item: Node = {
    scalar: value => take(toText(value)),
    object: { fields: host.nodes, open: () => host.clear(), close: () => take(host.text('ip')) },
  }
  return { array: { item } }
}

function domainsNode(sink: ReportSink): Node {
  const fields = new Fields(['domain', 'ip'])
  const close = (): void => {
    const domain = fields.text('domain')
    if (domain !== '') sink.onDomain?.({ domain, ip: fields.text('ip') })
  }
  return { array: { item: { object: { fields: fields.nodes, open: () => fields.clear(), close } } } }
}

function httpNode(sink: ReportSink): Node {
  const fields = new Fields(['count', 'port', ...HTTP_TEXTS])
  const close = (): void =>
    sink.onHttp?.({
      count: toInteger(fields.get('count')),
      port: toInteger(fields.get('port')),
      body: fields.text('body'),
      uri: fields.text('uri'),
      method: fields.text('method'),
      host: fields.text('host'),
      version: fields.text('version'),
      path: fields.text('path'),
      data: fields.text('data'),
      'user-agent': fields.text('user-agent'),
    })
  return { array: { item: { object: { fields: fields.nodes, open: () => fields.clear(), close } } } }
}
