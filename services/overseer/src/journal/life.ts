// What became of a sample, out of its events: in which order, and where it is now. What they do not say is not guessed.
import { type PipelineEvent, WAITS } from '@cuckoo-distributed/core'

/** Where a sample is. */
export type State =
  | 'waiting'
  | 'in work'
  | 'in sandbox'
  | 'being read'
  | 'queued'
  | 'with the overseer'
  | 'retry'
  | 'shared cause'
  | 'dumped'
  | 'complete'
  | 'done'

export interface Whereabouts {
  readonly state: State
  /** One sentence. */
  readonly text: string
  /** Milliseconds since 1970. */
  readonly since: number
  /** Where the message waits. */
  readonly queue?: string | undefined
}

/** One analysis, or what is known of a message that names none. */
export interface Life {
  readonly analysis: string | undefined
  readonly md5s: readonly string[]
  readonly tasks: readonly number[]
  readonly events: readonly PipelineEvent[]
  readonly now: Whereabouts
  /** Queues that the sample came out of although nobody in the journal has put it there. */
  readonly untold: readonly string[]
}

const IN_HAND: ReadonlySet<string> = new Set(['received', 'waiting', 'resumed'])
/** Clocks of hosts differ, so what a message was put into may seem to come after it was taken out. */
const SKEW_MS = 5000

/** One for each analysis, that first of which was heard first. */
export function livesOf(events: readonly PipelineEvent[], now = Date.now()): Life[] {
  const groups = new Map<string, PipelineEvent[]>()
  for (const event of events) {
    const key = event.analysis ?? ''
    groups.set(key, [...(groups.get(key) ?? []), event])
  }
  const lives = [...groups].map(([analysis, own]) => lifeOf(analysis || undefined, own, now))
  return lives.filter(life => life !== undefined).sort((a, b) => (a.events[0]?.at ?? 0) - (b.events[0]?.at ?? 0))
}

function lifeOf(analysis: string | undefined, events: readonly PipelineEvent[], now: number): Life | undefined {
  const ordered = [...events].sort((a, b) => a.at - b.at || (a.instance === b.instance ? a.seq - b.seq : 0))
  const last = lastOf(ordered)
  if (last === undefined) return undefined
  return {
    analysis,
    md5s: distinct(ordered.map(({ md5 }) => md5)),
    tasks: distinct(ordered.map(({ task }) => task)),
    events: ordered,
    now: { ...whereabouts(last, ordered, now), since: last.at },
    untold: untoldQueues(ordered),
  }
}

function distinct<T>(values: readonly (T | undefined)[]): T[] {
  return [...new Set(values.filter(value => value !== undefined))]
}

/** The event that says where the message is: who has it in hand counts more than who has put it there at the same time. */
function lastOf(ordered: readonly PipelineEvent[]): PipelineEvent | undefined {
  const last = ordered.at(-1)
  if (last?.to === undefined) return last
  const inHand = newestOfEach(ordered).filter(event => {
    return event.queue === last.to && IN_HAND.has(event.event) && event.at >= last.at - SKEW_MS
  })
  return inHand.sort((a, b) => b.at - a.at)[0] ?? last
}

function newestOfEach(ordered: readonly PipelineEvent[]): PipelineEvent[] {
  const newest = new Map<string, PipelineEvent>()
  for (const event of ordered) newest.set(`${event.instance} ${event.queue}`, event)
  return [...newest.values()]
}

function whereabouts(last: PipelineEvent, ordered: readonly PipelineEvent[], now: number): Omit<Whereabouts, 'since'> {
  const by = `${last.service} (${last.instance})`
  const { to, queue, code, due = 0, file, reason } = last
  switch (last.event) {
    case 'waiting':
      if (last.service === 'check_results' && last.for === WAITS.analysis) return inSandbox(last, by)
      return { state: 'waiting', text: `waiting for ${last.for}; held by ${by}`, queue }
    case 'received':
    case 'resumed':
      return inHand(last, by)
    case 'complete':
      return { state: 'complete', text: `complete in CRITs, reported by ${by}${reason ? `: ${reason}` : ''}` }
    case 'done':
      return { state: 'done', text: `done, reported by ${by}${reason ? `: ${reason}` : ''}` }
    case 'later': {
      const wait = ordered.findLast(event => event.event === 'waiting')
      const why = wait?.for === undefined ? '' : `, after waiting for ${wait.for}`
      return { state: 'queued', text: `returned to the end of its queue "${to}"${why}`, queue: to }
    }
    case 'given back':
      return { state: 'queued', text: `back in its queue "${queue}": ${reason ?? 'returned'}`, queue }
    case 'failed':
      return { state: 'queued', text: `failed with ${code}; in the queue "${to}" for the overseer`, queue: to }
    case 'retry due':
      return { state: 'retry', text: `failed with ${code}; ${dueText(due, now)}`, queue: to }
    case 'waits for its cause':
      return {
        state: 'shared cause',
        text: `waiting until the shared cause ${code} is fixed; ${dueText(due, now)}`,
        queue: to,
      }
    case 'dumped':
      return { state: 'dumped', text: `dumped as ${file} by ${by}: ${reason}` }
    default:
      return { state: 'queued', text: `in the queue "${to ?? queue}"`, queue: to ?? queue }
  }
}

function inSandbox({ task, sandbox }: PipelineEvent, by: string): Omit<Whereabouts, 'since'> {
  return { state: 'in sandbox', text: `task ${task} of ${sandbox}; watched by ${by}` }
}

function inHand(last: PipelineEvent, by: string): Omit<Whereabouts, 'since'> {
  switch (last.service) {
    case 'check_results':
      return inSandbox(last, by)
    case 'parse_and_submit':
      return { state: 'being read', text: `${by} is reading its results and sending them to CRITs` }
    case 'overseer':
      return { state: 'with the overseer', text: `held by ${by}` }
    default:
      return { state: 'in work', text: `held by ${by}` }
  }
}

function dueText(due: number, now: number): string {
  const time = new Date(due).toISOString()
  return due > now ? `its next attempt is due at ${time}` : `its next attempt was due at ${time} and has not started`
}

/** Not that of the first event: CRITs put it there. */
function untoldQueues(ordered: readonly PipelineEvent[]): string[] {
  const filled = new Set(ordered.map(({ to }) => to))
  const taken = ordered.filter(
    ({ event, service }) => event === 'received' && service !== 'feed_cuckoo' && service !== 'overseer',
  )
  return distinct(taken.map(({ queue }) => (filled.has(queue) ? undefined : queue)))
}
