/** The uptime log: one JSON line for each cycle (`cuckoosandbox/cuckoo:utils/dist.py`). */
import { appendFile } from 'node:fs/promises'
import type { NodeCounters } from '../store/model.js'

/** Appends the counters of all nodes that answer; `at` in milliseconds since 1970. Rejects with the error of the file system. */
export async function logUptime(path: string, at: number, counters: ReadonlyMap<string, NodeCounters>): Promise<void> {
  const line = { timestamp: Math.floor(at / 1000), status: Object.fromEntries(counters) }
  await appendFile(path, `${JSON.stringify(line)}\n`, { mode: 0o600 })
}
