/** Connections to one server that tell each request whether it is the first on its connection. */
import { Client, type Dispatcher, Pool } from 'undici'
import { type AddressRule, ruledConnector } from './connector.js'

export interface PoolOptions {
  readonly verifySsl: boolean
  readonly connectTimeoutMs: number
  /** Default: no bound. */
  readonly maxConnections?: number | undefined
  /** Milliseconds for which a connection is kept where requests do not say `reset`. Default: undici's. */
  readonly idleMs?: number
  readonly isAllowed?: AddressRule | undefined
}

/** What a request may have besides undici's options. */
interface NotedOptions extends Dispatcher.DispatchOptions {
  /** Called when the request gets its connection: whether that is there from a request before. */
  readonly onConnection: (isUsed: boolean) => void
}

export function openPool(origin: string, options: PoolOptions): Pool {
  const { verifySsl, connectTimeoutMs, maxConnections, idleMs, isAllowed } = options
  const connect = { rejectUnauthorized: verifySsl, timeout: connectTimeoutMs }
  return new Pool(origin, {
    connections: maxConnections ?? null,
    allowH2: false,
    connect: isAllowed === undefined ? connect : ruledConnector({ ...connect, allowH2: false }, isAllowed),
    factory: (url, clientOptions) => new NotingClient(url, clientOptions),
    ...(idleMs !== undefined && { keepAliveTimeout: idleMs, keepAliveMaxTimeout: idleMs }),
  })
}

class NotingClient extends Client {
  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    if (isNoted(options)) options.onConnection(this.stats.connected)
    return super.dispatch(options, handler)
  }
}

function isNoted(options: Dispatcher.DispatchOptions): options is NotedOptions {
  return 'onConnection' in options
}
