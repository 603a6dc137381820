/** The machines of nodes that clients register or change. */
import type { Logger } from '@cuckoo-distributed/core'
import type { DistributedConfig } from '../config.js'
import type { Machine, Node } from '../store/model.js'
import type { Store } from '../store/store.js'
import { inspectNode } from './inspect-node.js'
import { troubleOf, UnfitNodeError } from './trouble.js'

interface Context {
  readonly config: DistributedConfig
  readonly store: Store
  /** Ends what goes on after an answer. */
  readonly closing: AbortSignal
  readonly log: Logger
}

/** @throws UnfitNodeError after ten seconds at the latest. */
export function machinesAt({ config, store, closing }: Omit<Context, 'log'>, url: string): Promise<Machine[]> {
  return inspectNode({ config, storeId: store.id, url }, closing)
}

/** What a client is told about the node at this URL: the reason, what was tried, and what to do. */
export function refusalOf(error: UnfitNodeError, url: string): string {
  return `${error.message}. Tried to read its status and machines at ${url}. ${remedyOf(error)}.`
}

function remedyOf({ cause }: UnfitNodeError): string {
  if (cause instanceof UnfitNodeError) return 'Give the URL of the API of a Cuckoo or CAPE'
  if (troubleOf(cause)?.state === 'unauthorized') return 'Check its token in NodeTokens'
  return 'Check that the API of a Cuckoo or CAPE runs at this URL and that this server can reach it'
}

/** Reads the machines of a node whose URL was changed, and stores them. It may be down; then it keeps those it had. */
export async function refreshMachines(context: Context, { id, name, url }: Node): Promise<void> {
  try {
    await context.store.nodes.setMachines(id, await machinesAt(context, url))
  } catch (error: unknown) {
    if (context.closing.aborted) return
    context.log.warn({ node: name, err: error }, 'the machines of a node with a new url could not be read')
  }
}
