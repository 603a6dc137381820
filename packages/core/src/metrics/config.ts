// Where a process tells of its health, and to whom.
import Type from 'typebox'

export const MetricsKeys = {
  MetricsListen: Type.String({
    default: '',
    pattern: '^(([^\\s/@]+:)?\\d{1,5})?$',
    description:
      '`HOST:PORT`, or a port on 127.0.0.1, for `/metrics` (Prometheus), `/livez` and `/readyz`; empty = off',
  }),
  MetricsHosts: Type.Array(Type.String({ pattern: '^[A-Za-z0-9._:-]+$' }), {
    default: [],
    uniqueItems: true,
    description:
      'Host names and addresses, without port, by which `MetricsListen` may be reached, besides its own host, loopback and the address at which a request arrives',
  }),
}

export interface MetricsConfig {
  readonly MetricsListen: string
  readonly MetricsHosts: readonly string[]
}

/** `9110`, `127.0.0.1:9110` or `[::1]:9110` in its parts. */
export function listenAddress(listen: string): { readonly host: string; readonly port: number } {
  const colon = listen.lastIndexOf(':')
  const host = colon < 0 ? '127.0.0.1' : listen.slice(0, colon).replace(/^\[(.*)\]$/, '$1')
  return { host, port: Number(listen.slice(colon + 1)) }
}
