// How `overseer where` tells what it has found to a person.
import type { PipelineEvent } from '@cuckoo-distributed/core'
import { counted } from '@cuckoo-distributed/core'
import type { SampleAnswer, SampleLife } from './admin/wire.js'
import type { Life } from './journal/life.js'
import type { Gap } from './journal/ranges.js'

/** What was found, for `--json` as it is. Times are milliseconds since 1970. */
export interface Report {
  readonly found: readonly { readonly what: string; readonly lives: readonly Life[] }[]
  /** When the oldest journal begins. */
  readonly begin: number | undefined
  /** There were more events than are shown. */
  readonly isCut: boolean
  /** Events that were lost while something of what is shown may have happened. */
  readonly gaps: readonly Gap[]
  /** Queues whose consumers tell of what they do. */
  readonly consumed: readonly string[]
  /** Where messages wait that nobody has received. */
  readonly notReceived: readonly { readonly queue: string; readonly messages: number | undefined }[]
  /** Messages in the queues that are named. */
  readonly depths: Readonly<Record<string, number>>
  readonly answered: readonly string[]
  readonly silent: readonly string[]
  readonly problems: readonly string[]
}

/** Line by line. */
export function showReport(report: Report): string[] {
  const lines = report.found.flatMap(({ what, lives }) => {
    if (lives.length === 0) return [`${what}: ${notFound(report)}`]
    return lives.flatMap(life => lifeLines(life, report))
  })
  return [...lines, ...remarks(report)]
}

function lifeLines(life: Life, report: Report): string[] {
  const { analysis, md5s, tasks, events, now } = life
  const names = [
    `analysis ${analysis ?? '(unknown)'}`,
    ...(md5s.length > 0 ? [`MD5 ${md5s.join(', ')}`] : []),
    ...(tasks.length > 0 ? [`task ${tasks.join(', ')}`] : []),
  ]
  const depth = now.queue === undefined ? undefined : report.depths[now.queue]
  const inQueue = depth === undefined ? '' : `; ${counted(depth, 'message')} there`
  const isUntold = now.state === 'queued' && now.queue !== undefined && !report.consumed.includes(now.queue)
  return [
    names.join(', '),
    ...events.map(event => `  ${time(event.at)}  ${eventText(event)}`),
    ...life.untold.map(
      queue => `  journal incomplete: no event says who published to "${queue}" (a Go service, or "Events": false)`,
    ),
    ...(events[0] && events[0].service !== 'feed_cuckoo' && life.untold.length === 0
      ? ['  earlier events are older than the journal']
      : []),
    `  now: ${now.state}, since ${time(now.since)}: ${now.text}${inQueue}`,
    ...(isUntold
      ? [
          `  no consumer of "${now.queue}" sends events (a Go service, or "Events": false): the sample may be further along`,
        ]
      : []),
  ]
}

/** What was found, for the page: in the same words. */
export function tellReport(report: Report): SampleAnswer {
  return {
    found: report.found.map(({ what, lives }) => ({ what, lives: lives.map(life => tellLife(life, report)) })),
    notFound: notFound(report),
    remarks: remarks(report),
  }
}

function tellLife({ analysis, md5s, tasks, events, now, untold }: Life, report: Report): SampleLife {
  const depth = now.queue === undefined ? undefined : report.depths[now.queue]
  return {
    ...{ analysis, md5s, tasks, now, untold },
    messages: depth,
    moments: events.map(event => ({
      at: event.at,
      by: `${event.service} (${event.instance})`,
      event: event.event,
      text: detailsText(event),
    })),
  }
}

function notFound({ begin, notReceived }: Report): string {
  const waiting = notReceived.filter(({ messages }) => messages !== undefined && messages > 0)
  const from = begin === undefined ? 'the journal is empty' : `the journal begins at ${time(begin)}`
  if (waiting.length === 0) return `never seen; ${from}`
  const where = waiting.map(({ queue, messages = 0 }) => `${counted(messages, 'message')} in "${queue}"`).join(', ')
  return `not received yet, if it was sent: ${where}; ${from}`
}

function eventText(event: PipelineEvent): string {
  return [`${event.service} (${event.instance}):`, event.event, detailsText(event)].join(' ').trimEnd()
}

function detailsText(event: PipelineEvent): string {
  const { attempt, code, reason, for: what, to, due, file, sandbox, task } = event
  const parts = [
    ...(what === undefined ? [] : [`for ${what}`]),
    ...(event.event === 'submitted' && sandbox !== undefined ? [`as task ${task} to ${sandbox}`] : []),
    ...(to === undefined ? [] : [`→ ${to}`]),
    ...(file === undefined ? [] : [`as ${file}`]),
    ...(due === undefined ? [] : [`next attempt at ${time(due)}`]),
    ...(attempt !== undefined && attempt > 1 ? [`attempt ${attempt}`] : []),
    ...(code === undefined ? [] : [code]),
    ...(reason === undefined ? [] : [reason]),
  ]
  return parts.join(', ')
}

function remarks({ gaps, isCut, silent, problems, answered }: Report): string[] {
  return [
    ...gaps.map(({ service, instance, events, from, to }) => {
      return `journal incomplete: ${events} events of ${service} (${instance}) between ${time(from)} and ${time(to)} were lost`
    }),
    ...(isCut ? ['there are more events; the oldest are not shown'] : []),
    ...silent.map(place => `no answer from the overseer of ${place}; what it knows is missing here`),
    ...(answered.length === 0 ? ['no journal was read'] : []),
    ...problems,
  ]
}

function time(at: number): string {
  return new Date(at).toISOString()
}
