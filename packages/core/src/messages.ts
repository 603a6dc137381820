// The messages on the wire, in the Go suite's exact spelling; nothing else in the suite knows these names.
import Type, { type Static } from 'typebox'
import { InvalidMessageError } from './errors.js'
import { type FailedFields, failedFromWire, failedToWire } from './failed-fields.js'
import { JsonError, parseJsonText } from './json.js'
import { firstProblem, validator } from './schema.js'

/** What CRITs says about an analysis; the same in every message. `critsUrl` and `source` are `''` when CRITs sent none. */
export interface CritsData {
  readonly critsUrl: string
  readonly analysisId: string
  readonly objectType: string
  readonly objectId: string
  readonly username: string
  readonly apiKey: string
  readonly md5: string
  readonly source: string
  /** All names of sources, if there are several; `source` is the first. */
  readonly sources?: readonly string[] | undefined
}

/** A task in a Cuckoo: feed_cuckoo → check_results → parse_and_submit → … Its URL is a text until a stage has checked it. */
export interface TaskMessage<Url extends string | URL = string> {
  readonly taskId: number
  /** Further tasks of the same sample, which end with it. */
  readonly others?: readonly number[] | undefined
  /** Of a text nothing may be shown: it may hold a password. */
  readonly cuckooUrl: Url
  /** What kind of sandbox that is, in a word of the package that knows them; undefined: nobody has said so. */
  readonly sandbox?: string | undefined
  readonly crits: CritsData
}

/** A message that failed, as the overseer gets it. */
export interface FailedMessage extends FailedFields {
  /** The message as its stage had received it. */
  readonly body: Buffer
}

const text = Type.String({ minLength: 1 })
const optionalText = Type.Optional(Type.Union([Type.String(), Type.Null()]))

/** `crits_data` as CRITs sends it (cynexit/cuckoo_distributed:etc/cuckoo_distributed_service/__init__.py). */
export const CritsDataWire = Type.Object({
  crits_url: optionalText,
  analysis_id: text,
  object_type: text,
  object_id: text,
  username: text,
  api_key: text,
  md5: optionalText,
  source: optionalText,
  // Only our own service for CRITs sends it.
  sources: Type.Optional(Type.Union([Type.Array(Type.String(), { maxItems: 1000 }), Type.Null()])),
})

const TaskWire = Type.Object({
  CuckooURL: text,
  TaskId: Type.Integer({ minimum: 1 }),
  TaskIds: Type.Optional(Type.Union([Type.Array(Type.Integer({ minimum: 1 }), { maxItems: 1000 }), Type.Null()])),
  Sandbox: optionalText,
  CritsData: CritsDataWire,
})

const FailedWire = Type.Object({
  Service: Type.String(),
  Queue: text,
  Error: Type.String(),
  Desc: Type.String(),
  Msg: Type.String(),
  FailedAt: optionalText,
})

const isTask = validator(TaskWire)
const isFailed = validator(FailedWire)

export function critsDataFromWire(wire: Static<typeof CritsDataWire>): CritsData {
  const sources = [...new Set([wire.source ?? '', ...(wire.sources ?? [])])].filter(name => name !== '')
  return {
    critsUrl: wire.crits_url ?? '',
    analysisId: wire.analysis_id,
    objectType: wire.object_type,
    objectId: wire.object_id,
    username: wire.username,
    apiKey: wire.api_key,
    md5: (wire.md5 ?? '').toLowerCase(),
    source: sources[0] ?? '',
    ...(sources.length > 1 && { sources }),
  }
}

function critsDataToWire(crits: CritsData): Static<typeof CritsDataWire> {
  return {
    crits_url: crits.critsUrl,
    analysis_id: crits.analysisId,
    object_type: crits.objectType,
    object_id: crits.objectId,
    username: crits.username,
    api_key: crits.apiKey,
    md5: crits.md5,
    source: crits.source,
    ...(crits.sources && { sources: [...crits.sources] }),
  }
}

/** Throws InvalidMessageError. */
export function decodeTask(body: Buffer): TaskMessage {
  const wire = parseJson(body)
  if (!isTask(wire)) throw invalid(isTask)
  const others = [...new Set(wire.TaskIds)].filter(id => id !== wire.TaskId)
  return {
    taskId: wire.TaskId,
    ...(others.length > 0 && { others }),
    cuckooUrl: wire.CuckooURL,
    ...(wire.Sandbox && { sandbox: wire.Sandbox }),
    crits: critsDataFromWire(wire.CritsData),
  }
}

/** Keys in the order in which the Go suite writes them; it ignores `Sandbox`, `TaskIds` and `sources`. */
export function encodeTask({ taskId, others = [], cuckooUrl, sandbox, crits }: TaskMessage): Buffer {
  const ids = others.length === 0 ? undefined : [taskId, ...others]
  const data = critsDataToWire(crits)
  const wire = { TaskId: taskId, CuckooURL: cuckooUrl, CritsData: data, Sandbox: sandbox, TaskIds: ids }
  return Buffer.from(JSON.stringify(wire))
}

/**
 * Reads a wrapped failed message. The Go suite's overseer also took a `Msg` that is itself a quoted string
 * (`strconv.Unquote`); so does this where `FailedAt` is missing. Ours have it, and a `Msg` that is exactly the body.
 * Throws InvalidMessageError.
 */
export function decodeFailedMessage(body: Buffer): FailedMessage {
  const wire = parseJson(body)
  if (!isFailed(wire)) throw invalid(isFailed)
  const hasTime = typeof wire.FailedAt === 'string'
  return { ...failedFromWire(wire), body: Buffer.from(hasTime ? wire.Msg : unquote(wire.Msg)) }
}

export function encodeFailedMessage(failed: FailedFields, message: string): Buffer {
  const { FailedAt, ...fields } = failedToWire(failed)
  return Buffer.from(JSON.stringify({ ...fields, Msg: message, FailedAt }))
}

/** What the value of `CritsData` or `crits_data` says, in whatever message it is; undefined when too little. */
export function critsDataOf(data: unknown): CritsData | undefined {
  if (typeof data !== 'object' || data === null) return undefined
  // What is wrong in fields that ending an analysis does not need is no reason to leave it open.
  const texts = Object.fromEntries(Object.entries(data).filter(([, value]) => typeof value === 'string'))
  return isCritsData(texts) ? critsDataFromWire(texts) : undefined
}

const isCritsData = validator(CritsDataWire)

/** Parses JSON, or throws an InvalidMessageError that shows none of the content: it may hold a sample or a key. */
export function parseJson(body: Buffer): unknown {
  if (body.length === 0) throw new InvalidMessageError('body', 'is empty')
  try {
    return parseJsonText(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch (thrown: unknown) {
    throw new InvalidMessageError('body', thrown instanceof JsonError ? thrown.message : 'is not UTF-8')
  }
}

function invalid(check: { readonly errors?: Parameters<typeof firstProblem>[0] }): InvalidMessageError {
  const { field, problem } = firstProblem(check.errors)
  return new InvalidMessageError(field, problem)
}

function unquote(message: string): string {
  if (!message.startsWith('"')) return message
  try {
    return String(JSON.parse(message))
  } catch {
    return message // starts with a quote without being a quoted string: it is the message itself
  }
}
