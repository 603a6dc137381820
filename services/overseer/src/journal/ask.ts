// Asks every overseer, over the broker; who is silent is named.
import type { Arguments } from '@cuckoo-distributed/core'
import type { Call, Sender } from './questions.js'

/** For which the broker is waited for by commands that can do without it. */
export const CONNECT_MS = 5000

/** The options of commands that ask all overseers. */
export const WHOM_OPTIONS = {
  hosts: { type: 'string', requiresArg: true, describe: 'Hosts whose overseers must answer, separated by commas' },
  wait: { type: 'number', default: 2, describe: 'Seconds to wait for overseers that do not answer' },
} as const

export interface Whom {
  /** Whose overseers must answer, beside those that others know. */
  readonly hosts: readonly string[]
  /** For how long overseers that do not answer are waited for. */
  readonly limitMs: number
}

export function whomIn(args: Arguments): Whom {
  const hosts = typeof args.hosts === 'string' ? args.hosts.split(',').filter(host => host !== '') : []
  return { hosts, limitMs: (typeof args.wait === 'number' ? args.wait : 2) * 1000 }
}

export interface Answers<A extends Sender> {
  readonly answers: readonly A[]
  /** Overseers that others have heard of, or that were named, and that did not answer. */
  readonly silent: readonly string[]
}

/** Sends a question to all overseers and each answer to `hear`, until that returns true or nobody is left. */
export type AskAll = (question: Buffer, hear: (answer: Buffer) => boolean) => Promise<void>

/** `decode` knows the answers to `call`; nobody in `givenUp` is waited for; `hosts` are to answer whether others know them or not. Rejects as `askAll` does. */
export async function askOverseers<A extends Sender>(
  askAll: AskAll,
  call: Call,
  decode: (body: Buffer) => A | undefined,
  hosts: readonly string[] = [],
  givenUp: readonly string[] = [],
): Promise<Answers<A>> {
  const answers: A[] = []
  const silent = () => {
    const missing = hosts.filter(host => !answers.some(answer => answer.host === host))
    const known = new Set(answers.flatMap(answer => answer.others))
    for (const { place } of answers) known.delete(place)
    return [...known, ...missing]
  }
  await askAll(Buffer.from(JSON.stringify(call)), body => {
    const answer = decode(body)
    if (answer) answers.push(answer)
    return answer !== undefined && silent().every(each => givenUp.includes(each))
  })
  return { answers, silent: silent() }
}
