/** Asking a node what it is: when it is registered, and when its machines are to be read again. */
import { parseBaseUrl } from '@cuckoo-distributed/http'
import {
  type CuckooServerOptions,
  type CuckooStatus,
  rateOf,
  type SandboxClient,
  sandboxClient,
} from '@cuckoo-distributed/sandbox-client'
import { timeLimit } from '@cuckoo-distributed/wait'
import type { DistributedConfig } from '../config.js'
import { ruleOf } from '../networks.js'
import type { Machine } from '../store/model.js'
import { troubleOf, UnfitNodeError } from './trouble.js'

const CONNECT_TIMEOUT_MS = 5_000
/** A node that says nothing for so long is taken for hung; it then gets the same request again later. */
const HEADERS_TIMEOUT_MS = 30_000
const INSPECT_MS = 10_000
const MAX_MACHINES = 1000
const MAX_TAGS = 100
const MAX_NAME = 255

/** To create, look at twice, fetch with the dropped files, and delete. */
const REQUESTS_PER_SAMPLE = 6

/** The caller disposes of it. The token that the configuration has for this URL goes with each request. */
export function connectNode(
  config: DistributedConfig,
  url: string,
  notices: Pick<CuckooServerOptions, 'onKind' | 'onNotice'> = {},
): SandboxClient {
  return sandboxClient({
    baseUrl: parseBaseUrl(url),
    verifySsl: config.VerifySSL,
    maxConnections: config.NodeConcurrency,
    apiTokens: config.NodeTokens,
    isAllowed: ruleOf(config.NodeNetworks),
    requestsPerMinute: rateOf(config.RequestsPerMinute),
    requestsPerSample: REQUESTS_PER_SAMPLE,
    capeDelete: config.CapeDelete,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    headersTimeoutMs: HEADERS_TIMEOUT_MS,
    ...notices,
  })
}

/**
 * Resolves with the machines of the node at this URL. `storeId`: of the own database, to know this very cluster by.
 *
 * @throws UnfitNodeError after ten seconds at the latest, and `signal.reason`.
 */
export async function inspectNode(
  { config, storeId, url }: { readonly config: DistributedConfig; readonly storeId: string; readonly url: string },
  signal: AbortSignal,
): Promise<Machine[]> {
  await using client = connectNode(config, url)
  using limit = timeLimit(signal, INSPECT_MS, new UnfitNodeError('timed out'))
  try {
    refuseOwnCluster(await client.status(limit.signal), storeId)
    return await readMachines(client, limit.signal)
  } catch (error: unknown) {
    signal.throwIfAborted()
    const reason = troubleOf(error)?.reason
    throw reason === undefined ? error : new UnfitNodeError(reason, { cause: error })
  }
}

/** @throws UnfitNodeError when the node is this very cluster, which would send itself its own tasks without end. */
export function refuseOwnCluster({ instance }: CuckooStatus, storeId: string): void {
  if (instance === storeId) throw new UnfitNodeError('it is this cluster itself')
}

/** The machines of a node, as far as anybody would want to know of them. */
export async function readMachines(client: SandboxClient, signal: AbortSignal): Promise<Machine[]> {
  const machines = await client.listMachines(signal)
  const isLong = (text: string) => text.length > MAX_NAME
  const isHuge = ({ name, platform, tags }: Machine) => {
    return isLong(name) || isLong(platform) || tags.length > MAX_TAGS || tags.some(isLong)
  }
  if (machines.length > MAX_MACHINES || machines.some(isHuge)) throw new UnfitNodeError('answer too large')
  return machines
}
