/** A sandbox is looked at for an administrator: can it be reached, is it one, does it take the token, can its answers be believed. */
import {
  displayUrl,
  NotJsonError,
  parseBaseUrl,
  type ReachOptions,
  reachProblems,
  statusProblem,
} from '@cuckoo-distributed/http'
import { TokenRefusedError, UndecidedSandboxError, UnexpectedAnswerError } from './errors.js'
import type { SandboxKind } from './sandbox.js'
import { CuckooServer } from './servers.js'

export interface LookOptions extends Omit<ReachOptions, 'baseUrl'> {
  readonly url: string
  /** As for `CuckooServers`. */
  readonly apiTokens: Readonly<Record<string, string>>
  /** As for `CuckooServer`. */
  readonly kind?: SandboxKind | undefined
  /** The key of the configuration that has them. Default `CuckooTokens`. */
  readonly tokenKey?: string
}

/** The largest id that the databases of all kinds take; nobody has it. */
const NO_TASK = 2 ** 31 - 1

/** One for each URL, however it is spelled. */
export function sandboxLooks(urls: readonly string[], options: Omit<LookOptions, 'url'>) {
  const distinct = new Map(urls.map(url => [displayUrl(parseBaseUrl(url)), url]))
  return [...distinct].map(([shown, url]) => ({
    what: `sandbox ${shown}`,
    problems: (signal: AbortSignal) => sandboxProblems({ ...options, url }, signal),
  }))
}

async function sandboxProblems(options: LookOptions, signal: AbortSignal): Promise<string[]> {
  const { url, apiTokens, verifySsl, kind, tokenKey = 'CuckooTokens' } = options
  const baseUrl = parseBaseUrl(url)
  const reach = await reachProblems({ baseUrl, verifySsl }, signal)
  if (reach.length > 0) return reach
  await using server = new CuckooServer({ baseUrl, verifySsl, maxConnections: 1, apiTokens, kind })
  try {
    const { tasksKnown } = await server.client.status(signal)
    if (!tasksKnown) return ['it counts neither tasks nor machines: its database fails, or it has no machines']
    // Each may be switched off by itself.
    await server.client.listTasks({ phase: 'pending' }, signal)
    await server.client.viewTask(NO_TASK, signal)
    const report = await server.client.report(NO_TASK, signal)
    report?.discard()
    return []
  } catch (error: unknown) {
    signal.throwIfAborted()
    return [`${inWords(error, tokenKey)}${kind === undefined ? '' : `; "Sandbox" says that it is ${kind}`}`]
  }
}

function inWords(error: unknown, tokenKey: string): string {
  if (error instanceof TokenRefusedError) {
    return `status ${error.status}: it requires a token, and rejects the one in "${tokenKey}" (or user and password in the URL), if any`
  }
  const status = statusProblem(error)
  if (status !== undefined) return status
  const isOther = [UnexpectedAnswerError, UndecidedSandboxError, NotJsonError].some(type => error instanceof type)
  const text = error instanceof Error ? error.message : 'it fails'
  return isOther ? `this is not the API of a sandbox that is known here: ${text}` : text
}
