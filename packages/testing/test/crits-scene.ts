// One sample with one analysis, and a client that posts to it.
import type { CritsOptions, CritsStandIn } from '../src/crits/server.js'
import { credentials, exchange, FORM, form, withCrits } from './crits-http.js'

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
