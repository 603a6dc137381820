/** What may keep the service from starting: said in a sentence, or waited for where it can come back. */
import { ConfigError, errorCode } from '@cuckoo-distributed/core'
import { delay } from '@cuckoo-distributed/wait'
import type { FastifyInstance } from 'fastify'
import type { DistributedConfig } from './config.js'
import { StoreError, StoreLostError } from './store/errors.js'
import { openStore, type StoreOptions } from './store/open.js'
import type { Store } from './store/store.js'

const PAUSE_MS = 2000

/**
 * Opens the store, and waits for a PostgreSQL that does not answer; undefined when the signal ended that.
 *
 * @throws ConfigError when it cannot be used, StoreError (STORE_IN_USE) when another process has the file.
 */
export async function openPatiently(options: StoreOptions, signal: AbortSignal): Promise<Store | undefined> {
  for (let isTold = false; ; isTold = true) {
    try {
      return await openStore(options)
    } catch (error: unknown) {
      if (!(error instanceof StoreError) || error.code === 'STORE_IN_USE') throw error
      if (!(error.cause instanceof StoreLostError)) throw new ConfigError('database', [error.message], { cause: error })
      if (!isTold) options.log.warn({ problem: error.message }, 'the database does not answer; waiting for it')
      await delay(PAUSE_MS, signal).catch(() => undefined)
      if (signal.aborted) return undefined
    }
  }
}

/** Why nobody can listen there, by the code of the error. */
const REFUSALS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process listens there',
  EADDRNOTAVAIL: 'this machine has no such address',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the host cannot be looked up',
  EACCES: 'this user may not use the port',
}

/** @throws ConfigError when nobody can listen there. */
export async function listen(app: FastifyInstance, { Host, Port }: DistributedConfig): Promise<void> {
  try {
    await app.listen({ host: Host, port: Port })
  } catch (error: unknown) {
    const reason = REFUSALS[errorCode(error)]
    if (reason === undefined) throw error
    throw new ConfigError('listen', [`cannot listen on port ${Port} of ${Host}: ${reason}`], { cause: error })
  }
}
