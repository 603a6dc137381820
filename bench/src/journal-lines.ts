// Events of many samples, as a pipeline tells them that works on forty at a time.
import type { PipelineEvent } from '@cuckoo-distributed/core'

export const SAMPLES_A_DAY = 100_000
const IN_HAND = 40
const BATCH = 500
const DAY_MS = 86_400_000
const SANDBOX = 'http://cuckoo.example.org:8090/'
const FEED = { service: 'feed_cuckoo', instance: 'host-a:1234.5f0c3a', queue: 'crits_cuckoo' }
const CHECK = { service: 'check_results', instance: 'host-a:1240.77ab19', queue: 'cuckoo_check' }
const PARSE = { service: 'parse_and_submit', instance: 'host-b:991.0c1d55', queue: 'cuckoo_parse' }

type Step = Pick<PipelineEvent, 'service' | 'instance' | 'queue' | 'event' | 'for' | 'to'>

const STEPS: readonly Step[] = [
  { ...FEED, event: 'received' },
  { ...FEED, event: 'waiting', for: 'room in Cuckoo' },
  { ...FEED, event: 'resumed' },
  { ...FEED, event: 'submitted', to: CHECK.queue },
  { ...CHECK, event: 'received' },
  { ...CHECK, event: 'waiting', for: 'the analysis in Cuckoo' },
  { ...CHECK, event: 'reported', to: PARSE.queue },
  { ...PARSE, event: 'received' },
  { ...PARSE, event: 'stored', to: 'cuckoo_parse_files' },
  { ...PARSE, event: 'complete' },
]
/** From here on there is a task. */
const SUBMITTED = 3
const OF_EACH = new Map(
  [FEED, CHECK, PARSE].map(({ service }) => [service, STEPS.filter(step => step.service === service)]),
)

/** Spread as those of samples are. */
export function md5Of(sample: number): string {
  const spread = (BigInt(sample + 1) * 0x9e3779b97f4a7c15f39cc0605cedc835n) & ((1n << 128n) - 1n)
  return spread.toString(16).padStart(32, '0')
}

export function analysisOf(sample: number): string {
  return md5Of(sample * 7 + 3).slice(0, 24)
}

export function taskOf(sample: number): number {
  return 1000 + sample
}

/** In batches, in the order in which they happen. `from`: when the day begins, in milliseconds since 1970. */
export function* eventsOfDay(day: number, from: number): Generator<PipelineEvent[]> {
  const seqs = new Map([...OF_EACH].map(([service, steps]) => [service, day * SAMPLES_A_DAY * steps.length]))
  const turns = SAMPLES_A_DAY + IN_HAND * STEPS.length
  let batch: PipelineEvent[] = []
  for (let turn = 0; turn < turns; turn += 1) {
    for (const [index, step] of STEPS.entries()) {
      const sample = turn - index * IN_HAND
      if (sample < 0 || sample >= SAMPLES_A_DAY) continue
      const seq = (seqs.get(step.service) ?? 0) + 1
      seqs.set(step.service, seq)
      const at = from + Math.floor((turn / turns) * DAY_MS)
      batch.push({ at, seq, attempt: 1, ...step, ...namesOf(day * SAMPLES_A_DAY + sample, index >= SUBMITTED) })
    }
    if (batch.length < BATCH) continue
    yield batch
    batch = []
  }
  yield batch
}

function namesOf(sample: number, hasTask: boolean): Pick<PipelineEvent, 'analysis' | 'md5' | 'task' | 'sandbox'> {
  const names = { analysis: analysisOf(sample), md5: md5Of(sample) }
  return hasTask ? { ...names, task: taskOf(sample), sandbox: SANDBOX } : names
}
