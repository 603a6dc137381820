// Built services with a part of their text replaced. They exist in a temporary folder only, never behind a config key.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { builtService } from '@cuckoo-distributed/testing'
import type { Rig, ServiceName } from './rig.js'

/** What stands in the built file, and what replaces it. */
export type Change = readonly [from: string, to: string]

/** Runs a changed service in place of the real one; resolves with what undoes it. Throws when a change does not fit. */
export async function runChanged(rig: Rig, service: ServiceName, changes: readonly Change[]) {
  let code = await readFile(builtService(service), 'utf8')
  for (const [from, to] of changes) {
    if (code.split(from).length !== 2) throw new Error(`${service}: not there exactly once: ${from}`)
    code = code.replace(from, () => to)
  }
  const folder = await mkdtemp(join(tmpdir(), 'variant-'))
  const build = join(folder, `${service}.mjs`)
  await writeFile(build, code)
  const undo = await rig.services[service].replace({ build })
  return async () => {
    await undo()
    await rm(folder, { recursive: true, force: true })
  }
}

const CUCKOO: readonly Change[] = [['var SLOW_ANSWER_MS = 5 * 6e4;', 'var SLOW_ANSWER_MS = 2e3;']]

/** Deadlines of minutes become two seconds. */
const HURRIED: Readonly<Record<Exclude<ServiceName, 'overseer'>, readonly Change[]>> = {
  feed_cuckoo: [...CUCKOO, ['options.headersTimeoutMs ?? 3e5', 'options.headersTimeoutMs ?? 2e3']],
  check_results: [...CUCKOO, ['var TROUBLED_MS = 5 * 6e4;', 'var TROUBLED_MS = 2e3;']],
  parse_and_submit: [
    ...CUCKOO,
    ['var ANSWER_TIMEOUT_MS = 12e4;', 'var ANSWER_TIMEOUT_MS = 2e3;'],
    ['var UPLOAD_TIMEOUT_MS = 66e4;', 'var UPLOAD_TIMEOUT_MS = 2e3;'],
  ],
}

/** Runs a service whose deadlines are short: how long it waits for an answer, and how long a task must be unknown to be gone. */
export function hurry(rig: Rig, service: keyof typeof HURRIED): Promise<() => Promise<void>> {
  return runChanged(rig, service, HURRIED[service])
}
