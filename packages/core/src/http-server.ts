// How a process of ours listens for HTTP on the side: with limits, and to an end.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ConfigError, describeError } from './errors.js'

const REQUEST_LIMIT_MS = 10_000
const MOST_CONNECTIONS = 100

export interface ListenOptions {
  readonly host: string
  /** 0: one that is free. */
  readonly port: number
  /** What is to be changed when it cannot listen there: a key of the configuration, or an option. */
  readonly key: string
}

export interface Listener extends AsyncDisposable {
  readonly address: AddressInfo
}

/** Listens until it is disposed of, which ends open connections. Rejects with ConfigError when it cannot. */
export async function listenHttp(
  { host, port, key }: ListenOptions,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Listener> {
  const server = createServer({ requireHostHeader: false, requestTimeout: REQUEST_LIMIT_MS }, answer)
  server.maxConnections = MOST_CONNECTIONS
  await listen(server, { host, port, key })
  const address = server.address()
  if (address === null || typeof address === 'string')
    throw new ConfigError(key, [`"${key}" is not an address with a port`])
  return {
    address,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
  }
}

function listen(server: Server, { host, port, key }: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', error => {
      reject(new ConfigError(key, [`"${key}" cannot be used: ${describeError(error)}`]))
    })
    server.listen(port, host, resolve)
  })
}
