/** The networks that nodes may be in. */
import { BlockList, isIP } from 'node:net'
import type { AddressRule } from '@cuckoo-distributed/http'

/** Undefined when any address will do. `networks`: as `networkProblems` passes them. */
export function ruleOf(networks: readonly string[]): AddressRule | undefined {
  if (networks.length === 0) return undefined
  const list = new BlockList()
  for (const network of networks) {
    const { address, family, prefix } = partsOf(network)
    list.addSubnet(address, prefix, family)
  }
  // An IPv4 address in the notation of IPv6 is compared as the IPv4 address that it is.
  return address => list.check(address, familyOf(address))
}

/** What is wrong with them. */
export function networkProblems(key: string, networks: readonly string[]): string[] {
  return networks
    .filter(network => !isNetwork(network))
    .map(network => `"${key}": ${network} is no network, such as 10.1.0.0/16 or fd00::/8, and no address`)
}

/** The address of the host of a URL, if it is one and not a name. */
export function addressIn(url: string): string | undefined {
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '')
  return isIP(host) === 0 ? undefined : host
}

function isNetwork(network: string): boolean {
  const [address = '', prefix, ...others] = network.split('/')
  const bits = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1
  const isPrefix = prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits)
  return bits > 0 && isPrefix && others.length === 0
}

function partsOf(network: string) {
  const [address = '', prefix] = network.split('/')
  const family = familyOf(address)
  return { address, family, prefix: Number(prefix ?? (family === 'ipv6' ? 128 : 32)) }
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4'
}
