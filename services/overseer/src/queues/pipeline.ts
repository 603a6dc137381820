// What running overseers know of the pipeline from its events: its queues, and the samples that are under way.
import { askReaders, describeError } from '@cuckoo-distributed/core'
import type { OverseerConfig } from '../config.js'
import { askOverseers } from '../journal/ask.js'
import { type Answer, decodeAnswer } from '../journal/questions.js'
import { mergeMeta } from '../journal/ranges.js'
import { roomsAt, type ToldRoom } from '../journal/rooms.js'

const ANSWER_MS = 1000

export interface Pipeline {
  /** Which service consumes a queue. */
  readonly consumers: Readonly<Record<string, string>>
  /** Samples under way, as each overseer counts them, and where they are; undefined when none has answered. */
  readonly open: Answer['open'] | undefined
  /** Of each sandbox that somebody tells of. */
  readonly rooms: readonly ToldRoom[]
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
      { kind: 'question', keys: [] },
      decodeAnswer,
    )
    const problems = silent.map(place => `the overseer with the journal ${place} is silent`)
    if (answers.length === 0)
      problems.push('no overseer answers: only queues of its own, and those in dumps, are known')
    const { queues: consumers } = mergeMeta(answers.map(({ meta }) => meta))
    const rooms = roomsAt(
      Date.now(),
      answers.flatMap(answer => answer.rooms ?? []),
    )
    return { consumers, open: mostOpen(answers), rooms, problems }
  } catch (error: unknown) {
    return {
      consumers: {},
      open: undefined,
      rooms: [],
      problems: [`overseers cannot be asked: ${describeError(error)}`],
    }
  }
}

/** Each overseer hears of a part of the events: the oldest sample of any, and as many as all have heard of. */
function mostOpen(answers: readonly Answer[]): Answer['open'] | undefined {
  if (answers.length === 0) return undefined
  const oldest = answers
    .flatMap(({ open }) => (open.oldest ? [open.oldest] : []))
    .sort((a, b) => a.since - b.since)
    .at(0)
  const places = answers.flatMap(({ open }) => open.places ?? [])
  return { count: answers.reduce((sum, { open }) => sum + open.count, 0), ...(oldest && { oldest }), places }
}
