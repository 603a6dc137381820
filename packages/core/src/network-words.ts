/** Why a server cannot be reached, by the code of the error, in words for an administrator; `server` is what should be running there. */
export function networkWords(code: string, server: string): string | undefined {
  return code === 'ECONNREFUSED' ? `nobody listens there: wrong port, or ${server} is not running` : WORDS.get(code)
}

const WORDS: ReadonlyMap<string, string> = new Map([
  ['ENOTFOUND', 'there is no host with this name'],
  ['EAI_AGAIN', 'the host name cannot be resolved at present'],
  ['EHOSTUNREACH', 'the host cannot be reached'],
  ['ENETUNREACH', 'the network of the host cannot be reached'],
  ['ETIMEDOUT', 'the host does not answer: a firewall, or a wrong address'],
])
