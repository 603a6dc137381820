/** Connections to allowed addresses only, whatever a name resolves to. */
import dns from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { buildConnector } from 'undici'

/** Whether a connection may be made to this address, IPv4 or IPv6. */
export type AddressRule = (address: string) => boolean

/** The address of the server is not one that may be connected to. */
export class AddressRefusedError extends Error {
  readonly code = 'ADDRESS_REFUSED'
  override readonly name = 'AddressRefusedError'
}

/**
 * As undici's own, but every address is looked at when the connection is made: a name that has resolved to another one before, or does
 * the next time, gains nothing by it.
 */
export function ruledConnector(options: buildConnector.BuildOptions, isAllowed: AddressRule): buildConnector.connector {
  const connect = buildConnector({ ...options, lookup: ruledLookup(isAllowed) })
  return (given, callback) => {
    // An address needs no look-up.
    if (isIP(given.hostname) === 0 || isAllowed(given.hostname)) connect(given, callback)
    else callback(new AddressRefusedError(given.hostname), null)
  }
}

function ruledLookup(isAllowed: AddressRule): LookupFunction {
  return (hostname, options, callback) => {
    dns.lookup(hostname, { ...options, all: true }, (error, addresses) => {
      const [first, ...others] = error === null ? addresses.filter(({ address }) => isAllowed(address)) : []
      if (first === undefined) callback(error ?? new AddressRefusedError(hostname), '')
      else if (options.all === true) callback(null, [first, ...others])
      else callback(null, first.address, first.family)
    })
  }
}
