// `--check-config --connect`: what a service needs of the world outside is looked at, and what is wrong is said in words.
import { orAbort, timeLimit } from '@cuckoo-distributed/wait'
import { describeError } from './errors.js'

/** One thing outside that a service needs. */
export interface Look {
  /** What is looked at, without secrets. */
  readonly what: string
  /** What is not looked at, and why. */
  readonly note?: string
  /** What is wrong with it, one line each, without secrets; empty = nothing. Changes nothing there. */
  problems(signal: AbortSignal): Promise<readonly string[]>
}

const LIMIT_MS = 60_000

/** Takes one look after the other; each is told of as it ends. Resolves with all problems. Does not reject. */
export async function takeLooks(looks: readonly Look[], tell: (line: string) => void): Promise<string[]> {
  const all: string[] = []
  for (const look of looks) {
    const problems = await problemsOf(look)
    tell(`${problems.length === 0 ? 'ok' : 'failed'}: ${look.what}${look.note === undefined ? '' : ` (${look.note})`}`)
    all.push(...problems.map(problem => `${look.what}: ${problem}`))
  }
  return all
}

async function problemsOf(look: Look): Promise<readonly string[]> {
  using limit = timeLimit(new AbortController().signal, LIMIT_MS, new Error(`no answer within ${LIMIT_MS / 1000} s`))
  try {
    return await orAbort(look.problems(limit.signal), limit.signal)
  } catch (error: unknown) {
    return [describeError(error)]
  }
}
