// POST /api/v1/services/: `crits/crits:crits/services/api.py`, `crits/crits:crits/services/handlers.py`.
import { type Answer, CritsCrash, type Json, jsonAnswer } from './answers.js'
import type { CritsUser } from './auth.js'
import { type FormData, isTruthy } from './body.js'
import { BsonError, bsonFields, bsonFromJson } from './bson.js'
import type { Report } from './journal.js'
import { type Py2Dict, type Py2Value, parsePy2Literal } from './py2-literal.js'
import { type CritsStore, hasCommonSource, pythonNow, type StoredResult, type StoredSample } from './store.js'

const NO_OBJECT = 'Could not find object to add results to.'
const LENGTHS = 'When adding results in batch result, result_type, and result_subtype must have the same length!'

/** Types of top-level objects that the API has a resource for. */
const OBJECT_TYPES = new Set(
  'Actor Backdoor Campaign Certificate Domain Email Event Exploit Indicator IP PCAP RawData Sample Screenshot Signature Target'.split(
    ' ',
  ),
)
const LOG_LEVELS = new Set(['debug', 'info', 'warning', 'error', 'critical'])

interface Row {
  readonly subtype: unknown
  readonly result: unknown
  readonly extras: Py2Dict
}

interface Call {
  readonly store: CritsStore
  readonly report: Report
  readonly user: CritsUser
  readonly data: FormData
  readonly objectType: unknown
  readonly objectId: string
  readonly analysisId: string
}

/**
 * Adds results, then a log line, then finishes, as far as the fields ask for it. Not atomic: what throws keeps the rest
 * from being done, what is refused does not.
 * @throws CritsCrash, Py2LiteralError, BsonError, DocumentTooLarge: 500
 */
export function addServiceData(store: CritsStore, report: Report, user: CritsUser, data: FormData): Answer {
  const objectType = data.get('object_type')
  const objectId = data.get('object_id')
  const analysisId = data.get('analysis_id')
  if (!isTruthy(objectType) || !isTruthy(objectId) || !isTruthy(analysisId)) {
    return refusal(objectType, 'Need an object type, object id, and analysis id.')
  }
  const call: Call = {
    store,
    report,
    user,
    data,
    objectType,
    objectId: String(objectId),
    analysisId: String(analysisId),
  }
  reportFalseFlags(call)
  const messages: (string | undefined)[] = []
  if (isTruthy(data.get('result'))) {
    if (!isTruthy(data.get('result_type')) || !isTruthy(data.get('result_subtype'))) {
      return refusal(objectType, 'When adding a result, also need type and subtype')
    }
    const lists = resultLists(data)
    if (lists.some(list => list.length !== lists[0].length)) return refusal(objectType, LENGTHS)
    messages.push(addResults(call, lists))
  }
  if (isTruthy(data.get('log_message'))) messages.push(addLog(call))
  if (isTruthy(data.get('finish'))) messages.push(finish(call))
  return outcome(
    call,
    messages.filter(message => message !== undefined),
  )
}

function refusal(type: unknown, message: string): Answer {
  return jsonAnswer({ message, type: type === undefined ? null : jsonText(type), return_code: 1 })
}

function outcome(call: Call, messages: readonly string[]): Answer {
  if (typeof call.objectType !== 'string' || !OBJECT_TYPES.has(call.objectType)) {
    throw new CritsCrash(`NoReverseMatch: no resource for the type ${String(call.objectType)}`)
  }
  const resource = call.objectType === 'RawData' ? 'raw_data' : `${call.objectType.toLowerCase()}s`
  return jsonAnswer({
    url: `/api/v1/${resource}/${call.objectId}/`,
    message: messages.map(message => `, ${message}`).join(''),
    type: call.objectType,
    return_code: messages.length === 0 ? 0 : 1,
    id: call.objectId,
  })
}

function jsonText(value: unknown): Json {
  return typeof value === 'string' || value === null ? value : String(value)
}

/** CRITs takes any non-empty string for true; a client that sends these means something else. */
function reportFalseFlags({ data, report }: Call): void {
  for (const name of ['finish', 'result_is_batch']) {
    const value = data.get(name)
    if (typeof value === 'string' && /^(0|false|no|off|none|null)$/i.test(value)) {
      report('false-that-means-true', `${name}=${value} counts as true`)
    }
  }
}

function resultLists(data: FormData): [unknown[], unknown[], unknown[]] {
  const [result, type, subtype] = [data.get('result'), data.get('result_type'), data.get('result_subtype')]
  if (!isTruthy(data.get('result_is_batch'))) return [[result], [type], [subtype]]
  return [jsonList(result), jsonList(type), jsonList(subtype)]
}

function jsonList(text: unknown): unknown[] {
  if (typeof text !== 'string') throw new CritsCrash('TypeError: expected string or buffer')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause: unknown) {
    throw new CritsCrash('ValueError: No JSON object could be decoded', { cause })
  }
  if (!Array.isArray(value)) throw new CritsCrash('TypeError: a batch field is not a JSON array')
  return value
}

function findObject({ store, user, objectType, objectId }: Call): StoredSample | undefined {
  if (typeof objectType !== 'string' || !OBJECT_TYPES.has(objectType)) {
    throw new CritsCrash("AttributeError: 'NoneType' object has no attribute 'objects'")
  }
  if (!/^[\da-f]{24}$/i.test(objectId)) throw new CritsCrash('ValidationError: object_id is not a valid ObjectId')
  const sample = objectType === 'Sample' ? store.samples.get(objectId.toLowerCase()) : undefined
  return sample !== undefined && hasCommonSource(sample, user) ? sample : undefined
}

function addResults(call: Call, [results, types, subtypes]: [unknown[], unknown[], unknown[]]): string | undefined {
  if (findObject(call) === undefined) return NO_OBJECT
  if (results.length === 0) return 'Need a result, type, and subtype to add a result.'
  const rows = results.map((result, at): Row => ({ subtype: subtypes[at], result, extras: extraFields(types[at]) }))
  const analysis = call.store.analyses.get(call.analysisId)
  // An unknown analysis is a success that stores nothing.
  if (analysis !== undefined)
    call.store.pushResults(
      analysis,
      rows.map(row => storable(row, call)),
    )
  return undefined
}

/** Empty lists, tuples and strings add nothing; what has elements but is no dict fails. */
function extraFields(text: unknown): Py2Dict {
  if (typeof text !== 'string') throw new CritsCrash('ValueError: malformed string')
  const value = parsePy2Literal(text)
  if (typeof value === 'object' && value !== null && 'pairs' in value) return value
  if ((typeof value === 'string' || Array.isArray(value) || Buffer.isBuffer(value)) && value.length === 0) {
    return { pairs: [] }
  }
  throw new CritsCrash('TypeError: result_type is not a dict')
}

function storable({ subtype, result, extras }: Row, { report, analysisId }: Call): StoredResult {
  try {
    const fields = bsonFields(extras)
    for (const key of ['result', 'subtype', 'items']) {
      if (Object.hasOwn(fields, key)) report('forbidden-result-key', `analysis ${analysisId}: key ${key}`)
    }
    if (hasClassKey(extras)) report('forbidden-result-key', `analysis ${analysisId}: key _cls`)
    return { subtype: bsonFromJson(subtype), result: bsonFromJson(result), ...fields }
  } catch (error: unknown) {
    if (error instanceof BsonError && error.key !== undefined) {
      report('forbidden-result-key', `analysis ${analysisId}: key ${JSON.stringify(error.key)}`)
    }
    throw error
  }
}

function isClassKey(key: Py2Value): boolean {
  return Buffer.isBuffer(key) ? key.length === 4 && key.toString() === '_cls' : key === '_cls'
}

function hasClassKey(value: Py2Value): boolean {
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return false
  if (Array.isArray(value)) return value.some(hasClassKey)
  return value.pairs.some(([key, item]) => isClassKey(key) || hasClassKey(item))
}

function addLog(call: Call): string | undefined {
  if (findObject(call) === undefined) return NO_OBJECT
  const analysis = call.store.analyses.get(call.analysisId)
  if (analysis === undefined) return 'Could not find task to add log to.'
  const level = String(call.data.get('log_level') ?? 'info')
  if (!LOG_LEVELS.has(level)) call.report('unknown-log-level', `analysis ${call.analysisId}: level ${level}`)
  call.store.pushLog(analysis, String(call.data.get('log_message')), level)
  return undefined
}

function finish(call: Call): string | undefined {
  if (findObject(call) === undefined) return NO_OBJECT
  const analysis = call.store.analyses.get(call.analysisId)
  if (analysis === undefined) return undefined
  analysis.status = call.data.get('status') === 'error' ? 'error' : 'completed'
  analysis.finishDate = pythonNow()
  return undefined
}
