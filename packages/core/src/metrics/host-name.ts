// By which names a server is known: the page of a stranger may have had its own name resolved to our address.

/** Addresses that stand for all of a machine's; they say nothing about what it is called. */
const ANY_ADDRESS = new Set(['0.0.0.0', '[::]'])

/** Whether a Host header names loopback or one of `names`, which are names and addresses without port. */
export function knownHosts(names: readonly string[]): (host: string) => boolean {
  const known = new Set(names.map(hostnameOf).filter(name => !ANY_ADDRESS.has(name)))
  return host => {
    const name = hostnameOf(host)
    return known.has(name) || isLoopback(name)
  }
}

/** The name or address in a Host header or in the configuration, as URLs spell it; empty when it is none. */
export function hostnameOf(text: string): string {
  const url = [`http://${text}`, `http://[${text}]`].find(candidate => URL.canParse(candidate))
  return url === undefined || /[@/?#\\]/.test(text) ? '' : new URL(url).hostname.replace(/\.$/, '')
}

function isLoopback(name: string): boolean {
  return name === 'localhost' || name === '[::1]' || /^127(\.\d+){3}$/.test(name)
}
