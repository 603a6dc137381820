// `overseer where`: what became of samples, out of all journals that can be reached.
import { hostname } from 'node:os'
import {
  type Arguments,
  askReaders,
  type Command,
  decodeEvent,
  describeError,
  lookAtQueue,
  type PipelineEvent,
  type QueueLook,
  type RunCommand,
  type ServiceDependencies,
  say,
  sayJson,
  withBroker,
} from '@cuckoo-distributed/core'
import { timeLimit } from '@cuckoo-distributed/wait'
import { journalDir, type OverseerConfig } from './config.js'
import { type Answers, type AskAll, askOverseers, CONNECT_MS, WHOM_OPTIONS, type Whom, whomIn } from './journal/ask.js'
import type { Key } from './journal/index-run.js'
import { placeOf } from './journal/journal.js'
import { livesOf } from './journal/life.js'
import { type Answer, decodeAnswer } from './journal/questions.js'
import { gapsBetween, mergeMeta } from './journal/ranges.js'
import { JournalReader } from './journal/reader.js'
import { type Report, showReport } from './where-text.js'

/** Exit code when something that was asked for was not found. */
const NOT_FOUND = 1

export const whereCommand: Command<RunCommand<OverseerConfig>> = {
  usage: 'where <what..>',
  summary: 'Shows what happened to samples and where they are, by MD5, analysis id or task number.',
  options: {
    json: { type: 'boolean', describe: 'As one JSON document' },
    ...WHOM_OPTIONS,
  },
  positionals: { what: { type: 'string', array: true, describe: 'MD5, analysis id or task number' } },
  run: where,
}

async function where(config: OverseerConfig, dependencies: ServiceDependencies, args: Arguments): Promise<number> {
  const asked = Array.isArray(args.what) ? args.what.map(String) : []
  const report = await findSamples(asked, config, whomIn(args), dependencies.stop)
  if (args.json === true) sayJson(report)
  else for (const line of showReport(report)) say(line)
  return report.found.every(({ lives }) => lives.length > 0) ? 0 : NOT_FOUND
}

/** What became of samples, each by MD5, id of the analysis or number of the task. Rejects with `stop.reason` only. */
export async function findSamples(
  asked: readonly string[],
  config: OverseerConfig,
  { hosts = [], limitMs }: Pick<Whom, 'limitMs'> & Partial<Whom>,
  stop: AbortSignal,
): Promise<Report> {
  const dir = journalDir(config)
  const local = { reader: new JournalReader(dir), place: placeOf(dir) }
  try {
    using limit = timeLimit(stop, CONNECT_MS, new Error(`it could not be reached within ${CONNECT_MS / 1000} s`))
    return await withBroker(config, limit.signal, connection => {
      const askAll: AskAll = (question, hear) =>
        askReaders(connection, { failedQueue: config.ConsumerQueue, question, limitMs, hear })
      return gather(asked, {
        local,
        ask: (keys, givenUp) =>
          askOverseers(askAll, { kind: 'question', keys: [...keys] }, decodeAnswer, hosts, givenUp),
        look: queue => lookAtQueue(connection, queue, stop),
      })
    })
  } catch (error: unknown) {
    stop.throwIfAborted()
    const report = await gather(asked, {
      local,
      ask: async () => ({ answers: [], silent: hosts }),
      look: async name => ({ name, state: 'missing' }),
    })
    return { ...report, problems: [...report.problems, `the broker cannot be asked: ${describeError(error)}`] }
  }
}

interface Sources {
  /** The journal in the directory of the configuration. */
  readonly local: { readonly reader: JournalReader; readonly place: string }
  /** Nobody in `givenUp` is waited for. */
  ask(keys: readonly Key[], givenUp: readonly string[]): Promise<Answers<Answer>>
  look(queue: string): Promise<QueueLook>
}

async function gather(asked: readonly string[], sources: Sources): Promise<Report> {
  const keys = asked.flatMap(keysOfText)
  const first = await ask(keys, sources)
  // By MD5 or task not every event is found, but every analysis.
  const analyses = [...new Set(first.events.map(({ analysis }) => analysis).filter(id => id !== undefined))]
  const more = analyses.filter(id => !asked.includes(id)).map(analysis => ({ analysis }))
  const all = more.length === 0 ? first : merge([first, await ask(more.slice(0, 400), sources, first.silent)])
  const lives = livesOf(all.events)
  const found = asked.map(what => ({ what, lives: lives.filter(life => isAbout(life.events, what)) }))
  const feeding = Object.entries(all.meta.queues).filter(([, service]) => service === 'feed_cuckoo')
  const isMissing = found.some(each => each.lives.length === 0)
  const queues = new Set([
    ...lives.map(({ now }) => now.queue).filter(queue => queue !== undefined),
    ...(isMissing ? feeding.map(([queue]) => queue) : []),
  ])
  const depths = await depthsOf([...queues], sources)
  const begin = all.begin
  const since = Math.min(...lives.map(({ events }) => events[0]?.at ?? 0), isMissing ? 0 : Number.POSITIVE_INFINITY)
  return {
    found,
    begin,
    isCut: all.isCut,
    gaps: gapsBetween(all.meta, since, Date.now(), begin ?? 0),
    consumed: Object.keys(all.meta.queues),
    notReceived: isMissing ? feeding.map(([queue]) => ({ queue, messages: depths.get(queue) })) : [],
    depths: Object.fromEntries(depths),
    answered: all.answered,
    silent: all.silent,
    problems: all.problems,
  }
}

interface Gathered {
  readonly events: readonly PipelineEvent[]
  readonly isCut: boolean
  readonly meta: Answer['meta']
  readonly begin: number | undefined
  readonly answered: readonly string[]
  readonly silent: readonly string[]
  readonly problems: readonly string[]
}

/** The directory is read beside what its overseer answers, if that one is silent. */
async function depthsOf(queues: readonly string[], { look }: Sources): Promise<ReadonlyMap<string, number>> {
  const looks = await Promise.all(queues.map(queue => look(queue)))
  return new Map(looks.flatMap(seen => (seen.state === 'there' ? [[seen.name, seen.messages]] : [])))
}

async function ask(
  keys: readonly Key[],
  { local: { reader, place: own }, ask: askAll }: Sources,
  givenUp: readonly string[] = [],
): Promise<Gathered> {
  const { answers, silent } = await askAll(keys, givenUp)
  const told = answers.map(({ events, isCut, meta, begin, place }): Gathered => {
    const checked = events.map(event => decodeEvent(JSON.stringify(event))).filter(event => event !== undefined)
    return { events: checked, isCut, meta, begin, answered: [place], silent: [], problems: [] }
  })
  if (answers.some(({ place }) => place === own)) return merge(told, silent)
  const nothing = { answered: [], silent: [], problems: [] }
  try {
    return merge([...told, { ...(await reader.find(keys)), ...nothing, answered: [`${own} (read here)`] }], silent)
  } catch (error: unknown) {
    const problem = `the journal on ${hostname()} cannot be read: ${describeError(error)}`
    return merge(
      [...told, { ...nothing, events: [], isCut: false, meta: mergeMeta([]), begin: undefined, problems: [problem] }],
      silent,
    )
  }
}

function merge(parts: readonly Gathered[], silent: readonly string[] = []): Gathered {
  const begins = parts.map(({ begin }) => begin).filter(begin => begin !== undefined)
  const events = new Map(parts.flatMap(part => part.events.map(event => [`${event.instance} ${event.seq}`, event])))
  const all = <T>(of: (part: Gathered) => readonly T[]) => [...new Set(parts.flatMap(of))]
  return {
    events: [...events.values()],
    isCut: parts.some(part => part.isCut),
    meta: mergeMeta(parts.map(({ meta }) => meta)),
    begin: begins.length > 0 ? Math.min(...begins) : undefined,
    answered: all(part => part.answered),
    silent: [...new Set([...silent, ...parts.flatMap(part => part.silent)])],
    problems: all(part => part.problems),
  }
}

/** What it may be: an MD5, the id of an analysis, the number of a task. */
function keysOfText(text: string): Key[] {
  if (/^[0-9a-f]{32}$/i.test(text)) return [{ md5: text.toLowerCase() }, { analysis: text }]
  if (/^\d{1,15}$/.test(text)) return [{ task: Number(text) }, { analysis: text }]
  return [{ analysis: text }]
}

function isAbout(events: readonly PipelineEvent[], text: string): boolean {
  const keys = keysOfText(text)
  return events.some(({ analysis, md5, task }) =>
    keys.some(key =>
      'analysis' in key ? key.analysis === analysis : 'md5' in key ? key.md5 === md5 : key.task === task,
    ),
  )
}
