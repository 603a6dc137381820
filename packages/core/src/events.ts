// An event on its way to the journal: one small JSON object, without secrets.
import Type, { type Static } from 'typebox'
import { describeError } from './errors.js'
import { validator } from './schema.js'
import type { Happening, Subject } from './telemetry.js'

/** Bytes of one event. */
export const MAX_EVENT_BYTES = 1024
const optionalText = Type.Optional(Type.String())
const optionalNumber = Type.Optional(Type.Number())
/** As far as a date can be. */
const time = Type.Integer({ minimum: 0, maximum: 8.64e15 })

/** SandboxRoom as JSON. */
export const ROOM = {
  state: Type.Union([Type.Literal('room'), Type.Literal('full'), Type.Literal('unknown')]),
  maxPending: Type.Number(),
  pending: optionalNumber,
  freeBytes: optionalNumber,
  asOf: Type.Optional(time),
}

const EventWire = Type.Object({
  /** Milliseconds since 1970. */
  at: time,
  service: Type.String(),
  instance: Type.String(),
  /** Counts the events of the instance, from 1 on, those included that it had to drop. */
  seq: Type.Integer({ minimum: 1 }),
  event: Type.String(),
  queue: optionalText,
  analysis: optionalText,
  md5: optionalText,
  task: optionalNumber,
  sandbox: optionalText,
  attempt: optionalNumber,
  code: optionalText,
  reason: optionalText,
  for: optionalText,
  to: optionalText,
  due: Type.Optional(time),
  file: optionalText,
  /** Of `sandbox`. */
  room: Type.Optional(Type.Object(ROOM)),
})
export type PipelineEvent = Readonly<Static<typeof EventWire>>
const isEvent = validator(EventWire)

/** What an event says beside what happened. */
export type Origin = Pick<PipelineEvent, 'at' | 'service' | 'instance' | 'seq'>

/** The queue of events that belongs to a failed queue. */
export function eventQueue(failedQueue: string): string {
  return `${failedQueue}.events`
}

/** Through which the readers of that queue are spoken to; it is there as long as there is one. */
export function readersExchange(failedQueue: string): string {
  return `${failedQueue}.overseers`
}

/** At most 1 KiB: what is long is cut, the reason first. */
export function encodeEvent(origin: Origin, subject: Subject, happening: Happening): Buffer {
  for (const characters of [400, 100, 20]) {
    const bytes = Buffer.from(JSON.stringify(toWire(origin, subject, happening, characters)))
    if (bytes.length <= MAX_EVENT_BYTES) return bytes
  }
  return Buffer.from(JSON.stringify({ ...origin, event: happening.event }))
}

function toWire(origin: Origin, subject: Subject, happening: Happening, characters: number): object {
  const cut = (text: string | undefined, most: number) => (text ? text.slice(0, most) : undefined)
  const { reason, event, due, room } = happening
  const { at, service, instance, seq } = origin
  const name = Math.min(200, 2 * characters)
  // Written out: V8 takes ten times as long for the whole event when a spread comes first.
  return {
    at,
    service,
    instance,
    seq,
    event,
    queue: cut(subject.queue, name),
    analysis: cut(subject.analysisId, 64),
    md5: cut(subject.md5, 32),
    task: subject.taskId,
    sandbox: cut(subject.cuckoo, name),
    attempt: subject.attempt,
    code: cut(happening.code, 64),
    reason: reason === undefined ? undefined : describeError(reason, characters),
    for: cut(happening.for, name),
    to: cut(happening.to, name),
    due,
    file: cut(happening.file, 100),
    room,
  }
}

/** Undefined for what is no event. */
export function decodeEvent(text: string): PipelineEvent | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isEvent(value) ? value : undefined
  } catch {
    return undefined
  }
}
