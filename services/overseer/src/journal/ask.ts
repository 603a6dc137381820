// Asks every overseer about its journal, over the broker; who is silent is named.
import type { Key } from './index-run.js'
import { type Answer, type Call, decodeAnswer } from './questions.js'

export interface Answers {
  readonly answers: readonly Answer[]
  /** Overseers that others have heard of, or that were named, and that did not answer. */
  readonly silent: readonly string[]
}

/** Sends a question to all overseers and each answer to `hear`, until that returns true or nobody is left. */
export type AskAll = (question: Buffer, hear: (answer: Buffer) => boolean) => Promise<void>

/** `hosts` are to answer whether others know them or not. Rejects as `askAll` does. */
export async function askOverseers(
  askAll: AskAll,
  keys: readonly Key[],
  hosts: readonly string[] = [],
): Promise<Answers> {
  const answers: Answer[] = []
  const silent = () => {
    const missing = hosts.filter(host => !answers.some(answer => answer.host === host))
    const known = new Set(answers.flatMap(answer => answer.others))
    for (const { place } of answers) known.delete(place)
    return [...known, ...missing]
  }
  const call: Call = { kind: 'question', keys: [...keys] }
  await askAll(Buffer.from(JSON.stringify(call)), body => {
    const answer = decodeAnswer(body)
    if (answer) answers.push(answer)
    return answer !== undefined && silent().length === 0
  })
  return { answers, silent: silent() }
}
