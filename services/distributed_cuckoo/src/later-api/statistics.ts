/**
 * `/api/stats`: figures over time, in the shape in which the dashboard of Cuckoo 2.0 reads them. Of tasks they are counted; a history of
 * the nodes is not kept, so that theirs have no points.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ServerContext } from '../server/context.js'
import { ApiError } from '../server/errors.js'
import { type Fields, queryOf } from '../server/fields.js'
import { stamp } from '../server/local-time.js'
import type { Node } from '../store/model.js'
import type { Added, Statistics, Steps } from '../store/statistics.js'

const MINUTE_MS = 60_000

/** `cuckoosandbox/cuckoo:cuckoo/distributed/views/api.py`, `stats_get`: minutes, and how many of them. */
const PERIODS: Readonly<Record<string, { readonly step: number; readonly times: number }>> = {
  hour: { step: 5, times: 12 },
  day: { step: 15, times: 96 },
  week: { step: 60, times: 168 },
  month: { step: 1440, times: 28 },
}

interface Question {
  readonly end: number
  readonly periods: readonly string[]
  readonly nodes: readonly Node[]
  readonly statistics: Statistics
  /** Asked for once, however many figures need it. */
  added(): Promise<readonly Added[]>
}

const FIGURES: Readonly<Record<string, (question: Question) => unknown>> = {
  task_completed: question =>
    perPeriod(
      question,
      counted(steps => question.statistics.endedPerStep(steps)),
    ),
  task_uncompleted: question =>
    perPeriod(
      question,
      counted(async steps => addedBy(await question.added(), steps)),
    ),
  vm_running: question =>
    perPeriod(question, (_steps, info) => ({ info: { max: machinesOf(question.nodes), ...info }, points: [] })),
  disk_usage: question => perNode(question, info => ({ info: { disks: {}, ...info }, points: {} })),
  cpu_usage: question => perNode(question, info => ({ info: { max: 100, ...info }, points: [] })),
  memory_usage: question => perNode(question, info => ({ info: { max: 100, ...info }, points: [] })),
  amount_prio_queued: async ({ end, added }) => ({
    info: { date: stamp(end) },
    priorities: byPriority(await added(), end),
  }),
  active_processes: ({ nodes }) =>
    Object.fromEntries(nodes.map(({ name, state }) => [name, { cuckoo: state === 'up', other: [] }])),
}

interface ByTime {
  Params: { date?: string; time?: string }
}

export function statisticsRoutes(app: FastifyInstance, { store }: ServerContext, base: string): void {
  const { statistics } = store
  // Without an envelope, as in the original.
  const answer = async (request: FastifyRequest<ByTime>) => {
    const query = queryOf(request)
    const end = readEnd(request.params, store.now())
    const names = chosen(query, 'include', Object.keys(FIGURES))
    const periods = chosen(query, 'period', Object.keys(PERIODS))
    const wanted = (query.get('nodes') || undefined)?.split(',')
    const nodes = (await store.nodes.list()).filter(({ name, enabled }) => wanted?.includes(name) ?? enabled)
    let asked: Promise<Added[]> | undefined
    const added = () => {
      asked ??= statistics.added()
      return asked
    }
    const figures: [string, unknown][] = []
    const question = { end, periods, nodes, statistics, added }
    for (const name of names) figures.push([name, await FIGURES[name]?.(question)])
    return { nodes: nodes.map(({ name }) => name), ...Object.fromEntries(figures) }
  }
  for (const path of ['', '/:date', '/:date/:time']) app.get<ByTime>(`${base}/stats${path}`, answer)
}

interface Info {
  readonly max_points: number
  readonly step_size: number
  readonly start: string
  readonly finish: string
}

async function perPeriod(
  { periods, end }: Pick<Question, 'periods' | 'end'>,
  figure: (steps: Steps, info: Info) => unknown,
): Promise<Record<string, unknown>> {
  const figures: [string, unknown][] = []
  for (const name of periods) {
    const { step, times } = PERIODS[name] ?? { step: 1, times: 1 }
    const steps = { from: end / MINUTE_MS - step * times, minutes: step, count: times }
    const info = { max_points: times, step_size: step, start: stamp(steps.from * MINUTE_MS), finish: stamp(end) }
    figures.push([name, await figure(steps, info)])
  }
  return Object.fromEntries(figures)
}

function perNode(question: Question, figure: (info: Info) => unknown): Promise<Record<string, unknown>> {
  return perPeriod(question, (_steps, info) => {
    return Object.fromEntries(question.nodes.map(({ name }) => [name, figure(info)]))
  })
}

function counted(count: (steps: Steps) => Promise<number[]>) {
  return async (steps: Steps, info: Info) => {
    const values = await count(steps)
    const points = values.map((value, index) => ({ datetime: stamp(endOf(steps, index) * MINUTE_MS), value }))
    return { info: { ...info, max: Math.max(0, ...values) }, points }
  }
}

/** The last minute of a step. */
function endOf({ from, minutes }: Steps, index: number): number {
  return from + (index + 1) * minutes
}

/** Of the tasks that are not over now, those that were there at the end of each step. */
function addedBy(added: readonly Added[], steps: Steps): number[] {
  const counts = new Array<number>(steps.count).fill(0)
  for (const { minute, tasks } of added) {
    const index = Math.max(0, Math.ceil((minute - steps.from) / steps.minutes) - 1)
    if (index < steps.count) counts[index] = (counts[index] ?? 0) + tasks
  }
  let sum = 0
  return counts.map(count => {
    sum += count
    return sum
  })
}

/** The tasks that are not over and were there by then. */
function byPriority(added: readonly Added[], end: number): Record<string, number> {
  const sums: Record<string, number> = {}
  for (const { minute, priority, tasks } of added) {
    if (minute * MINUTE_MS <= end) sums[priority] = (sums[priority] ?? 0) + tasks
  }
  return sums
}

function machinesOf(nodes: readonly Node[]): number {
  return nodes.reduce((sum, { machines }) => sum + machines.length, 0)
}

/** @throws ApiError 400 */
function chosen(query: Fields, field: string, known: readonly string[]): readonly string[] {
  const names = (query.get(field) || undefined)?.split(',') ?? known
  const wrong = names.find(name => !known.includes(name))
  if (wrong === undefined) return names
  throw new ApiError(400, `Parameter ${field} has '${wrong.slice(0, 100)}', which is none of ${known.join(', ')}`)
}

/** In milliseconds since 1970: the given local time, the beginning of the given day, or this minute. @throws ApiError 400 */
function readEnd({ date, time }: ByTime['Params'], now: number): number {
  if (date === undefined) return now - (now % 60_000)
  if (!/^\d{4}-\d\d-\d\d$/.test(date) || Number.isNaN(Date.parse(`${date}T00:00:00Z`))) {
    throw new ApiError(400, 'Given date does not match format YYYY-MM-DD')
  }
  const end = Date.parse(`${date}T${time ?? '00:00'}:00`)
  if (!/^\d\d:\d\d$/.test(time ?? '00:00') || Number.isNaN(end)) {
    throw new ApiError(400, 'Given time does not match format HH:MM')
  }
  return end
}
