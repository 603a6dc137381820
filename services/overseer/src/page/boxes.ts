// What the boxes of the picture say.
import { WAITS } from '@cuckoo-distributed/core/waits'
import type { Tone } from '@cuckoo-distributed/page/browser'
import type { Overview, Part } from '../admin/wire.js'
import { counted } from './view.js'

export interface Box {
  readonly key: string
  readonly title: string
  /** What the eye meets first. */
  readonly figure: string
  readonly lines: readonly string[]
  readonly tone: Tone
}

export type BoxKey =
  | 'feed_cuckoo'
  | 'sandbox'
  | 'check_results'
  | 'parse_and_submit'
  | 'crits'
  | 'overseer'
  | 'waits'
  | 'dumps'

export function boxesOf(overview: Overview): Readonly<Record<BoxKey, Box>> {
  return {
    feed_cuckoo: serviceBox('feed_cuckoo', overview),
    sandbox: sandboxBox(overview),
    check_results: serviceBox('check_results', overview),
    parse_and_submit: serviceBox('parse_and_submit', overview),
    crits: critsBox(overview),
    overseer: serviceBox('overseer', overview),
    waits: waitsBox(overview),
    dumps: dumpsBox(overview),
  }
}

function serviceBox(name: string, overview: Overview): Box {
  const queues = overview.queues.filter(({ service, role }) => service === name && role !== 'delay')
  const there = queues.filter(queue => queue.state === 'there')
  const sum = (of: (queue: (typeof there)[number]) => number) => there.reduce((total, queue) => total + of(queue), 0)
  const messages = sum(queue => queue.messages)
  const change = Math.round(sum(({ changePerSecond = 0 }) => changePerSecond) * 10) / 10
  const hand = overview.open?.places.filter(({ service, event }) => service === name && IN_HAND.has(event)) ?? []
  const isKnown = queues.length > 0
  return {
    key: name,
    title: name,
    figure: there.length === 0 ? 'not heard of' : counted(messages, 'message'),
    lines: [
      ...(there.length === 0
        ? []
        : [
            `${counted(
              sum(queue => queue.consumers),
              'consumer',
            )}, ${change > 0 ? '+' : ''}${change}/s`,
          ]),
      ...(hand.length === 0 ? [] : [`${counted(total(hand), 'sample')} in progress`]),
      ...waitsIn(hand),
    ],
    tone: toneOf(overview, part => part.kind === 'service' && part.name === name) ?? (isKnown ? 'good' : 'idle'),
  }
}

const IN_HAND: ReadonlySet<string> = new Set(['received', 'waiting', 'resumed'])

type Places = NonNullable<Overview['open']>['places']

function total(places: Places): number {
  return places.reduce((sum, { count }) => sum + count, 0)
}

function waitsIn(places: Places): string[] {
  return places.flatMap(({ event, for: what, count }) => {
    return event === 'waiting' && what !== undefined && what !== WAITS.analysis ? [`${count} for ${what}`] : []
  })
}

function sandboxBox(overview: Overview): Box {
  const inside =
    overview.open?.places.filter(place => place.service === 'check_results' && IN_HAND.has(place.event)) ?? []
  const by = new Map<string, number>()
  for (const { sandbox = 'a sandbox', count } of inside) by.set(sandbox, (by.get(sandbox) ?? 0) + count)
  const room = overview.open?.places.filter(({ for: what }) => what === WAITS.room) ?? []
  const withRoom = roomIn(overview.rooms)
  return {
    key: 'sandbox',
    title: by.size > 1 ? `${by.size} sandboxes` : 'Sandbox',
    figure: counted(total(inside), 'task'),
    lines: [
      ...(withRoom === undefined ? [] : [withRoom]),
      ...[...by].map(([sandbox, count]) => `${sandbox.replace(/^https?:\/\/|\/$/g, '')}: ${count}`),
      total(room) === 0 ? 'nobody waits for room' : `no room: ${total(room)} wait`,
    ],
    tone: toneOf(overview, part => part.kind === 'sandbox') ?? (overview.open ? 'good' : 'idle'),
  }
}

function roomIn(rooms: Overview['rooms']): string | undefined {
  const [first] = rooms
  if (first === undefined) return undefined
  if (rooms.length > 1) return `${rooms.filter(({ state }) => state === 'room').length} of ${rooms.length} with room`
  return first.state === 'unknown' ? 'room: not known' : `${first.state}: ${pendingOf(first)}`
}

function pendingOf({ pending, maxPending }: Overview['rooms'][number]): string {
  return `${pending ?? '?'} of ${maxPending} pending`
}

function critsBox(overview: Overview): Box {
  const alarm = overview.alarms.find(({ part }) => part.kind === 'crits')
  return {
    key: 'crits',
    title: 'CRITs',
    figure: alarm ? (alarm.text.split(':', 1)[0] ?? '') : overview.open ? 'no complaints' : 'not heard of',
    lines: alarm ? [alarm.text.slice(alarm.text.indexOf(':') + 1).trim()] : [],
    tone: toneOf(overview, part => part.kind === 'crits') ?? (overview.open ? 'good' : 'idle'),
  }
}

function waitsBox(overview: Overview): Box {
  const delays = overview.queues.flatMap(queue => (queue.role === 'delay' && queue.state === 'there' ? [queue] : []))
  const busy = delays.filter(({ messages }) => messages > 0)
  const causes = overview.open?.places.filter(({ event }) => event === 'waits for its cause') ?? []
  return {
    key: 'waits',
    title: 'Waiting to be retried',
    figure: counted(
      busy.reduce((sum, { messages }) => sum + messages, 0),
      'message',
    ),
    lines: [
      ...causes.map(({ code, count }) => `${count} until ${code} is fixed`),
      ...busy.map(({ name, messages }) => `${name.slice(name.lastIndexOf('.') + 1)} s: ${messages}`),
    ],
    tone:
      causes.length > 0
        ? 'bad'
        : (toneOf(overview, part => part.kind === 'waits') ?? (busy.length > 0 ? 'busy' : 'idle')),
  }
}

function dumpsBox(overview: Overview): Box {
  const { count, causes } = overview.dumps
  return {
    key: 'dumps',
    title: 'Dumps',
    figure: counted(count, 'dump'),
    lines: causes.map(({ code, count: each }) => `${each} × ${code}`),
    tone: toneOf(overview, part => part.kind === 'dumps') ?? 'idle',
  }
}

function toneOf({ alarms }: Overview, isPart: (part: Part) => boolean): Tone | undefined {
  return alarms.find(({ part }) => isPart(part))?.level
}
