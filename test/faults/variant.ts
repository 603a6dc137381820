// Services built with a part of their source replaced. They exist in a temporary folder only, never behind a config key.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Plugin } from 'esbuild'
import type { Rig, ServiceName } from './rig.js'

/** A file, what stands in it exactly once, and what replaces it. */
export type Change = readonly [file: string, from: string, to: string]

type BuildService = (name: string, options: { outfile: string; plugins: Plugin[] }) => Promise<unknown>

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

/** Runs a changed service in place of the real one; resolves with what undoes it. Throws when a change does not fit. */
export async function runChanged(rig: Rig, service: ServiceName, changes: readonly Change[]) {
  const { build, remove } = await buildChanged(service, changes)
  try {
    const undo = await rig.services[service].replace({ build })
    return async () => {
      await undo()
      await remove()
    }
  } catch (error: unknown) {
    await remove()
    throw error
  }
}

/** Builds a changed service; resolves with its file and what removes it. Throws when a change does not fit. */
export async function buildChanged(service: string, changes: readonly Change[]) {
  const folder = await mkdtemp(join(tmpdir(), 'variant-'))
  const remove = () => rm(folder, { recursive: true, force: true })
  try {
    const build = join(folder, `${service}.mjs`)
    const { buildService }: { buildService: BuildService } = await import(join(ROOT, 'scripts/build-service.mjs'))
    await buildService(service, { outfile: build, plugins: [await changed(changes)] })
    return { build, remove }
  } catch (error: unknown) {
    await remove()
    throw error
  }
}

/** The plugin that builds a service with changes. Throws when a change does not fit. */
export async function changed(changes: readonly Change[]): Promise<Plugin> {
  const sources = new Map<string, string>()
  for (const [file, from, to] of changes) {
    const path = join(ROOT, file)
    const source = sources.get(path) ?? (await readFile(path, 'utf8'))
    if (source.split(from).length !== 2) throw new Error(`${file}: not there exactly once: ${from}`)
    sources.set(
      path,
      source.replace(from, () => to),
    )
  }
  return {
    name: 'changes',
    setup({ onLoad }) {
      onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => {
        const contents = sources.get(path)
        return contents === undefined ? undefined : { contents, loader: 'ts' }
      })
    },
  }
}

const SANDBOX: readonly Change[] = [
  ['packages/sandbox-client/src/cape-http.ts', 'const SLOW_ANSWER_MS = 5 * 60_000', 'const SLOW_ANSWER_MS = 2000'],
  ['packages/sandbox-client/src/client.ts', 'const SLOW_ANSWER_MS = 5 * 60_000', 'const SLOW_ANSWER_MS = 2000'],
  ['packages/http/src/client.ts', 'headersTimeoutMs ?? 300_000', 'headersTimeoutMs ?? 2000'],
]

/** A file that could not be uploaded is tried again after two seconds in place of ten minutes. */
export const SHORT_UPLOAD_PAUSE: readonly Change[] = [
  ['services/parse_and_submit/src/submit.ts', 'const UPLOAD_PAUSE_MS = 10 * 60_000', 'const UPLOAD_PAUSE_MS = 2000'],
]

/** Deadlines of minutes become two seconds. */
export const HURRIED: Readonly<Record<Exclude<ServiceName, 'overseer'>, readonly Change[]>> = {
  feed_cuckoo: SANDBOX,
  check_results: [
    ...SANDBOX,
    ['services/check_results/src/clocks.ts', 'const TROUBLED_MS = 5 * 60_000', 'const TROUBLED_MS = 2000'],
  ],
  parse_and_submit: [
    ...SANDBOX,
    ['packages/crits-client/src/call.ts', 'const ANSWER_TIMEOUT_MS = 120_000', 'const ANSWER_TIMEOUT_MS = 2000'],
    ['packages/crits-client/src/client.ts', 'const UPLOAD_TIMEOUT_MS = 660_000', 'const UPLOAD_TIMEOUT_MS = 2000'],
    ...SHORT_UPLOAD_PAUSE,
  ],
}

/** distributed_cuckoo gives a report that drips two seconds in place of a minute. */
export const HURRIED_CLUSTER: readonly Change[] = [
  ['services/distributed_cuckoo/src/dispatch/workers.ts', 'reportMs: 60_000', 'reportMs: 2000'],
]

/** Runs a service whose deadlines are short: how long it waits for an answer, and how long a task must be unknown to be gone. */
export function hurry(rig: Rig, service: keyof typeof HURRIED): Promise<() => Promise<void>> {
  return runChanged(rig, service, HURRIED[service])
}
