// What tests of the CRITs stand-in do again and again: a sample with an analysis, posts to it, uploads.
import type { CritsOptions, CritsStandIn } from '../src/crits/server.js'
import { credentials, exchange, FORM, form, multipart, withCrits } from './crits-http.js'

export interface Scene {
  readonly crits: CritsStandIn
  readonly objectId: string
  readonly analysisId: string
  /** Posts a form with the three ids, which `fields` may replace; returns status and text. */
  post(fields: Record<string, string>): Promise<[number, string]>
  /** The text of an answer with return_code 0. */
  readonly success: string
}

/** Runs `check` against a stand-in with one sample and one analysis of it. */
export function withScene(check: (scene: Scene) => Promise<void>, options: CritsOptions = {}): Promise<void> {
  return withCrits(async crits => {
    const objectId = crits.addSample({ bytes: Buffer.from('MZ') }).id
    const analysisId = crits.startAnalysis({ objectId }).id
    await check({
      crits,
      objectId,
      analysisId,
      post: async fields => {
        const body = form({ object_type: 'Sample', object_id: objectId, analysis_id: analysisId, ...fields })
        const headers = { ...credentials(crits), ...FORM }
        const { status, text } = await exchange(crits.url, { path: '/api/v1/services/', headers, body })
        return [status, text]
      },
      success: answer(objectId, '', 0),
    })
  }, options)
}

/** The text of an answer that names an object. */
export function answer(id: string, message: string, code: number): string {
  return `{"url": "/api/v1/samples/${id}/", "message": "${message}", "type": "Sample", "return_code": ${code}, "id": "${id}"}`
}

export interface UploadAnswer {
  readonly status: number
  readonly text: string
  readonly json: {
    readonly message?: string
    readonly return_code?: number
    readonly id?: string
    readonly url?: string
  }
}

/** Uploads a file with the first user's key; `filename` 'none' leaves the parameter out. */
export async function upload(
  crits: CritsStandIn,
  fields: Record<string, string>,
  bytes?: Buffer,
  filename: string | undefined = 'drop.exe',
): Promise<UploadAnswer> {
  const file = bytes === undefined ? undefined : { bytes, ...(filename === 'none' ? {} : { filename }) }
  const { headers, body } = multipart(fields, file)
  const call = { path: '/api/v1/samples/', headers: { ...credentials(crits), ...headers }, body }
  const { status, text } = await exchange(crits.url, call)
  return { status, text, json: JSON.parse(text) }
}
