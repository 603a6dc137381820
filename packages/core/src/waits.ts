// What messages wait for: stages tell it, overseers and their page know it again. Without anything of Node, as browsers read it too.

/** As `waitingFor` is told. */
export const WAITS = { room: 'room in Cuckoo', analysis: 'the analysis in Cuckoo' } as const

/** A server that is away; `orFailing` where one that fails at each of its messages is waited for as well. */
export function waitForServer(server: 'CRITs' | 'Cuckoo', orFailing = false): string {
  return `${server}, which is unavailable${orFailing ? ' or failing' : ''}`
}

/** What `waitForServer` has said; undefined for another wait. */
export function serverWaitedFor(wait: string): { readonly server: string; readonly state: string } | undefined {
  const { server, state } = /^(?<server>.+), which is (?<state>(?:away|unavailable).*)$/.exec(wait)?.groups ?? {}
  return server === undefined || state === undefined ? undefined : { server, state }
}
