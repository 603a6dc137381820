// What running overseers know of the pipeline from its events: its queues, and the samples that are under way.
import { askReaders, describeError } from '@cuckoo-distributed/core'
import type { OverseerConfig } from '../config.js'
import { askOverseers } from '../journal/ask.js'
import type { Answer } from '../journal/questions.js'
import { mergeMeta } from '../journal/ranges.js'

const ANSWER_MS = 1000

export interface Pipeline {
  /** Which service consumes a queue. */
  readonly consumers: Readonly<Record<string, string>>
  /** Samples under way, as each overseer counts them; undefined when none has answered. */
  readonly open: Answer['open'] | undefined
  /** What is not known, and why. */
  readonly problems: readonly string[]
}

/** Does not reject. */
export async function askForPipeline(
  connection: Parameters<typeof askReaders>[0],
  { ConsumerQueue }: Pick<OverseerConfig, 'ConsumerQueue'>,
): Promise<Pipeline> {
  const question = { failedQueue: ConsumerQueue, limitMs: ANSWER_MS }
  try {
    const { answers, silent } = await askOverseers(
      (text, hear) => askReaders(connection, { ...question, question: text, hear }),
      [],
    )
    const problems = silent.map(place => `the overseer with the journal ${place} is silent`)
    if (answers.length === 0)
      problems.push('no overseer answers: only queues of its own, and those in dumps, are known')
    const { queues: consumers } = mergeMeta(answers.map(({ meta }) => meta))
    return { consumers, open: mostOpen(answers), problems }
  } catch (error: unknown) {
    return { consumers: {}, open: undefined, problems: [`overseers cannot be asked: ${describeError(error)}`] }
  }
}

/** Each overseer hears of a part of the events: the oldest sample of any, and as many as all have heard of. */
function mostOpen(answers: readonly Answer[]): Answer['open'] | undefined {
  if (answers.length === 0) return undefined
  const oldest = answers
    .flatMap(({ open }) => (open.oldest ? [open.oldest] : []))
    .sort((a, b) => a.since - b.since)
    .at(0)
  return { count: answers.reduce((sum, { open }) => sum + open.count, 0), ...(oldest && { oldest }) }
}
