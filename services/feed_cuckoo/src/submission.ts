// The message of CRITs' service, as cynexit/cuckoo_distributed:etc/cuckoo_distributed_service/__init__.py writes it.
import {
  type CritsData,
  CritsDataWire,
  critsDataFromWire,
  firstProblem,
  InvalidMessageError,
  parseJson,
  shapeOf,
  validator,
} from '@cuckoo-distributed/core'
import { cutString } from '@cuckoo-distributed/json-scanner'
import Type from 'typebox'
import { base64Sample } from './base64.js'
import type { Sample } from './sample.js'

export interface Submission {
  /** Cuckoo's options by their names; never `custom`. */
  readonly options: Readonly<Record<string, string>>
  /** The option `custom`, which tells this analysis from others: the payload's, or the analysis id. ASCII. */
  readonly custom: string
  /** As CRITs has it: any text, or empty. */
  readonly fileName: string
  /** Checks the sample that the message holds, or rejects with InvalidMessageError; absent when it was left in CRITs. */
  readonly sample: (() => Promise<Sample>) | undefined
  readonly crits: CritsData
}

const SubmissionWire = Type.Object({
  payload: Type.Optional(Type.Union([Type.Record(Type.String(), Type.Unknown()), Type.Null()])),
  file: Type.Object({
    name: Type.Optional(Type.Union([Type.String(), Type.Null()])),
    data: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  }),
  crits_data: CritsDataWire,
})

const isSubmission = validator(SubmissionWire)

/** Cuckoo's column for `custom` (`cuckoosandbox/cuckoo:lib/cuckoo/core/database.py`). */
const CUSTOM_LENGTH = 255

/**
 * Decodes the message without ever holding the sample as text; `body` must stay as it is while the sample is in use.
 * Throws InvalidMessageError.
 */
export function decodeSubmission(body: Buffer): Submission {
  const { rest, value } = cutString(body, ['file', 'data'])
  const wire = parseJson(rest)
  if (!isSubmission(wire)) {
    const { field, problem } = firstProblem(isSubmission.errors)
    throw new InvalidMessageError(field, problem)
  }
  const { custom = '', ...options } = stringOptions(wire.payload ?? {})
  const crits = critsDataFromWire(wire.crits_data)
  const data = typeof wire.file.data === 'string' ? (value ?? Buffer.from(wire.file.data)) : undefined
  return {
    options,
    custom: checkedCustom(custom, wire.crits_data.analysis_id),
    fileName: wire.file.name ?? '',
    sample: data && (() => sampleOf(data, { hashed: crits.md5 !== '' })),
    crits,
  }
}

function stringOptions(payload: Readonly<Record<string, unknown>>): Record<string, string> {
  const given = Object.entries(payload).filter(([, value]) => value !== null)
  const options = given.map(([name, value]) => {
    const field = `payload.${name}`
    if (!/^[\w.-]{1,64}$/.test(name)) {
      throw new InvalidMessageError(
        field,
        'is not the name of an option: only letters, digits, "_", "." and "-" are allowed',
      )
    }
    if (name === 'file') throw new InvalidMessageError(field, 'is reserved for the sample')
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') {
      throw new InvalidMessageError(field, `must be a string, a number, true or false, not ${shapeOf(value)}`)
    }
    return [name, String(value)] as const
  })
  return Object.fromEntries(options)
}

/** Cuckoo 1.2 makes no task when `custom` is not ASCII, and the answer does not say why. */
function checkedCustom(own: string, analysisId: string): string {
  const custom = own || analysisId
  if (custom.length <= CUSTOM_LENGTH && /^[\x20-\x7e]*$/.test(custom)) return custom
  const field = own === '' ? 'crits_data.analysis_id' : 'payload.custom'
  throw new InvalidMessageError(field, `must be at most ${CUSTOM_LENGTH} printable ASCII characters`)
}

/** JSON may escape `/`, and the Go suite's decoder (encoding/base64) passed over line breaks. */
async function sampleOf(data: Buffer, options: { hashed: boolean }): Promise<Sample> {
  try {
    return await base64Sample(data, 'file.data', options)
  } catch (error: unknown) {
    // No base64 has a backslash, so looking for one in every sample would be a reading too many.
    if (!data.includes('\\')) throw error
    const text = parseJson(Buffer.concat([Buffer.from('"'), data, Buffer.from('"')]))
    return base64Sample(Buffer.from(String(text).replace(/[\r\n]/g, '')), 'file.data', options)
  }
}
