// What CRITs does when an analyst runs its service on a sample.
import {
  critsMessage,
  publishAsCrits,
  type RunningAnalysis,
  runCritsService,
  type Submission,
} from '@cuckoo-distributed/testing'
import { type RealCrits, UsageError } from './arguments.js'
import type { DemoSample } from './samples.js'
import type { Scene } from './scene.js'

export interface EmittedSample extends DemoSample, RunningAnalysis {}

/** RabbitMQ 4 refuses messages above 16 MiB, and base64 makes a file a third longer. */
const LARGEST_IN_MESSAGE = 11 * 1024 * 1024
const UPLOAD_MS = 60_000
const ANSWER_BYTES = 64 * 1024

/** Puts the sample into CRITs, if it is not there, and publishes its message exactly as CRITs does. */
export async function emit(scene: Scene, sample: DemoSample, real: RealCrits | undefined): Promise<EmittedSample> {
  const submission = { name: sample.name, bytes: sample.bytes, withoutData: sample.bytes.length > LARGEST_IN_MESSAGE }
  if (submission.withoutData) {
    scene.print(`${sample.name} is too large for a message: feed_cuckoo reads it from CRITs`)
  }
  const running = scene.crits
    ? runCritsService(scene.crits, submission)
    : await runningInReal(requireReal(real), submission, sample.md5, scene.signal)
  await publishAsCrits(scene.broker, scene.options.queues.feed, running.body)
  return { ...sample, ...running }
}

function requireReal(real: RealCrits | undefined): RealCrits {
  if (real === undefined) throw new UsageError('without a stand-in for CRITs a real one must be named')
  return real
}

async function runningInReal(
  real: RealCrits,
  submission: Submission,
  md5: string,
  signal: AbortSignal,
): Promise<RunningAnalysis> {
  const objectId = real.objectId ?? (await upload(real, submission, signal))
  const critsData = {
    analysis_id: real.analysisId,
    object_type: 'Sample',
    object_id: objectId,
    username: real.username,
    api_key: real.apiKey,
    md5,
    source: real.source,
  }
  return { analysisId: real.analysisId, objectId, md5, critsData, body: critsMessage(submission, critsData) }
}

/**
 * The sample's id in CRITs, which knows files by their MD5 (`crits/crits:crits/samples/api.py`). A description is needed:
 * without one CRITs answers 500 for a sample that has one.
 */
async function upload(real: RealCrits, { name, bytes }: Submission, signal: AbortSignal): Promise<string> {
  const form = new FormData()
  form.append('upload_type', 'file')
  form.append('file_format', 'raw')
  form.append('source', real.source)
  form.append('description', 'Sample of a demonstration')
  form.append('filedata', new Blob([new Uint8Array(bytes)]), name)
  const response = await fetch(`${real.url}/api/v1/samples/`, {
    method: 'POST',
    headers: { authorization: `ApiKey ${real.username}:${real.apiKey}` },
    body: form,
    redirect: 'error',
    signal: AbortSignal.any([signal, AbortSignal.timeout(UPLOAD_MS)]),
  })
  const answer = parse(await beginningOf(response))
  if (response.status === 200 && answer.return_code === 0 && typeof answer.id === 'string') return answer.id
  const said = typeof answer.message === 'string' ? `: ${answer.message}` : ''
  throw new UsageError(`CRITs did not take the sample (status ${response.status}${said}); see --object-id`)
}

async function beginningOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk)
    size += chunk.length
    if (size > ANSWER_BYTES) break
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** `{}` for what is no JSON object: a page of a proxy, for instance. */
function parse(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}
