// What CRITs itself does when an analyst runs the service on a sample, down to the bytes on the wire.

import type { TestBroker } from './amqp.js'
import type { CritsStandIn } from './crits/index.js'

export interface Submission {
  readonly name: string
  readonly bytes: Buffer
  /** Options for Cuckoo. Default none, as shipped. */
  readonly payload?: Readonly<Record<string, unknown>>
  /** Leaves `file.data` out, for a feeder that reads the sample from CRITs. Default false. */
  readonly withoutData?: boolean
  /** What CRITs says of itself; `null` leaves it out, as the shipped service does. Default null. */
  readonly critsUrl?: string | null
}

export interface RunningAnalysis {
  readonly analysisId: string
  readonly objectId: string
  readonly md5: string
  /** The message's body. */
  readonly body: Buffer
  /** `crits_data` of the message. */
  readonly critsData: Readonly<Record<string, string>>
}

/**
 * Stores the sample and the analysis in CRITs and makes the message
 * (cynexit/cuckoo_distributed:etc/cuckoo_distributed_service/__init__.py).
 */
export function runCritsService(crits: CritsStandIn, submission: Submission): RunningAnalysis {
  const [user] = crits.users
  const [source] = user?.sources ?? []
  const [apiKey] = user?.keys ?? []
  if (!user || !source || apiKey === undefined)
    throw new Error('the CRITs stand-in has no user with a key and a source')
  const sample = crits.addSample({ bytes: submission.bytes, name: submission.name })
  const { id: analysisId } = crits.startAnalysis({ objectId: sample.id })
  const critsData = {
    analysis_id: analysisId,
    object_type: 'Sample',
    object_id: sample.id,
    username: user.name,
    api_key: apiKey,
    md5: sample.md5,
    source: source.name,
    ...(submission.critsUrl && { crits_url: submission.critsUrl }),
  }
  return { analysisId, objectId: sample.id, md5: sample.md5, critsData, body: critsMessage(submission, critsData) }
}

/** The message of an analysis, byte for byte as CRITs' service writes it but for the order of its keys. */
export function critsMessage(submission: Submission, critsData: Readonly<Record<string, string>>): Buffer {
  const data = submission.withoutData ? {} : { data: submission.bytes.toString('base64') }
  return asciiJson({
    payload: submission.payload ?? {},
    file: { name: submission.name, ...data },
    crits_data: critsData,
  })
}

/** Publishes as CRITs does with kombu: persistent, `application/json`, no headers, no confirm. */
export async function publishAsCrits(broker: TestBroker, queue: string, body: Buffer): Promise<void> {
  await broker.publish(queue, body, {
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    persistent: true,
    priority: 0,
    headers: {},
    confirm: false,
  })
}

/** JSON as Python 2's `json.dumps` writes it: ASCII only. */
function asciiJson(value: unknown): Buffer {
  const text = JSON.stringify(value).replace(/[\u0080-\uffff]/g, letter => {
    return `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
  return Buffer.from(text, 'ascii')
}
