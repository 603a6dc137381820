// What is wrong with the pipeline, in words.
import { counted, serverWaitedFor, WAITS } from '@cuckoo-distributed/core'
import { adviceFor } from '../dumps/causes.js'
import { causesIn } from '../journal/open-samples.js'
import type { Alarm, Overview, Part, QueueLine } from './wire.js'

/** The worst first. */
export function alarmsOf({
  queues,
  open,
  rooms,
  dumps,
}: Pick<Overview, 'queues' | 'open' | 'rooms' | 'dumps'>): Alarm[] {
  const waits = countsBy(open?.places ?? [])
  const isFull =
    (rooms.length > 0 && rooms.every(({ state }) => state === 'full')) ||
    (waits.get(WAITS.room) ?? 0) > 0 ||
    [...waits.keys()].some(what => serverWaitedFor(what)?.server === 'Cuckoo')
  const alarms = [
    ...serverAlarms(waits),
    ...causeAlarms(open?.places ?? []),
    ...queues.flatMap(queue => queueAlarms(queue, isFull)),
    ...dumpAlarms(dumps),
  ]
  return [...alarms.filter(({ level }) => level === 'bad'), ...alarms.filter(({ level }) => level === 'warn')]
}

function countsBy(places: NonNullable<Overview['open']>['places']): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { event, for: what, count } of places) {
    if (event === 'waiting' && what !== undefined) counts.set(what, (counts.get(what) ?? 0) + count)
  }
  return counts
}

function serverAlarms(waits: ReadonlyMap<string, number>): Alarm[] {
  return [...waits].flatMap(([what, count]): Alarm[] => {
    const wait = `${counted(count, 'sample')} ${count === 1 ? 'waits' : 'wait'}`
    if (what === WAITS.room) return [{ level: 'warn', part: { kind: 'sandbox' }, text: `No room in Cuckoo: ${wait}` }]
    const away = serverWaitedFor(what)
    if (away === undefined) return []
    const { server, state } = away
    const part: Part = { kind: server.startsWith('CRITs') ? 'crits' : 'sandbox' }
    const advice = `Look at ${server}. Everything continues by itself once it is back.`
    return [{ level: 'bad', part, text: `${server} is ${state}: ${wait}`, advice }]
  })
}

function causeAlarms(places: NonNullable<Overview['open']>['places']): Alarm[] {
  return [...causesIn(places)].map(([code, count]) => ({
    level: 'bad',
    part: { kind: /^CRITS/.test(code) ? 'crits' : /^CUCKOO/.test(code) ? 'sandbox' : 'waits' },
    text: `${code}: ${counted(count, 'sample')} ${count === 1 ? 'waits' : 'wait'} until this is fixed`,
    advice: adviceFor(code),
  }))
}

function queueAlarms(queue: QueueLine, isFull: boolean): Alarm[] {
  const { name, role, service } = queue
  const part: Part =
    role === 'delay' ? { kind: 'waits' } : { kind: 'service', name: service ?? (role === 'other' ? '' : 'overseer') }
  if (queue.state === 'unknown') return [{ level: 'bad', part, text: `"${name}" cannot be checked: ${queue.why}` }]
  if (queue.state === 'missing') {
    return role === 'other' || role === 'lost' ? [] : [{ level: 'bad', part, text: `There is no queue "${name}"` }]
  }
  const messages = counted(queue.messages, 'message')
  if (role === 'lost') {
    const text = `${messages} in "${name}": they were redelivered more often than the broker allows`
    return queue.messages === 0 ? [] : [{ level: 'bad', part, text }]
  }
  if (queue.consumers > 0 || role === 'other') return []
  const why = service === 'feed_cuckoo' && isFull
  if (why)
    return [{ level: 'warn', part, text: `${messages} in "${name}": feed_cuckoo accepts none until Cuckoo has room` }]
  if (queue.messages === 0) return role === 'delay' ? [] : [{ level: 'bad', part, text: `Nobody consumes "${name}"` }]
  const advice = `Start ${part.kind === 'service' && part.name !== '' ? part.name : 'overseer'}; its log says why it stopped.`
  return [{ level: 'bad', part, text: `${messages} in "${name}", and nobody consumes it`, advice }]
}

function dumpAlarms({ count, causes }: Overview['dumps']): Alarm[] {
  if (count === 0) return []
  const [first] = causes
  const most = first && `, most of them ${first.code}${first.service && ` in ${first.service}`}`
  const text = `${counted(count, 'dump')}${causes.length > 1 ? most : first ? `: ${first.code}${first.service && ` in ${first.service}`}` : ''}`
  return [{ level: 'warn', part: { kind: 'dumps' }, text }]
}
