// Faults of CRITs beyond its answers to single requests.
import { ENDPOINTS, script } from './endpoints.js'
import type { Cell } from './run-cell.js'
import { tasksOf } from './sandbox-cells.js'
import { allCompleted } from './verdict.js'

/** An analyst deletes the analyses: what is posted to them vanishes without an error, and log lines are refused. */
export const ANALYSIS_DELETED: Cell = {
  fault: 'analysis deleted in CRITs',
  moment: 'before the first row',
  mayDump: true,
  async arm(rig) {
    rig.taps.parse_and_submit.stall()
    return async samples => {
      await tasksOf(rig, samples)
      for (const { analysisId } of samples) rig.crits.deleteAnalysis(analysisId)
      rig.taps.parse_and_submit.release()
    }
  },
}

const REFUSAL = '{"message": "The sample is not wanted here.", "return_code": 1, "type": "Sample"}'

/** CRITs takes everything but the dropped files: the rows are complete, and the log names what is missing. */
export const FILES_REJECTED: Cell = {
  fault: 'file rejected by CRITs',
  moment: 'CRITs upload',
  mayMiss: 'file_added',
  async arm(rig) {
    const headers = { 'content-type': 'application/json' }
    script(rig, ENDPOINTS['CRITs upload'], { kind: 'status', status: 200, headers, body: REFUSAL }, Infinity)
    return async samples => {
      await allCompleted(rig.crits, samples, 180_000)
    }
  },
  async unmet(rig, samples) {
    return samples.flatMap(({ analysisId }) => {
      const log = rig.crits.analyses.get(analysisId)?.log ?? []
      const told = log.some(({ level, message }) => level === 'warning' && message.includes('not wanted here'))
      return told ? [] : [`CRITs' log does not name the refused files: ${analysisId}`]
    })
  },
}

/** Every request of all samples takes long. */
export const CRITS_SLOW: Cell = {
  fault: 'CRITs slow',
  moment: 'every request',
  async arm(rig) {
    rig.crits.faults.next({ kind: 'slow', milliseconds: 300, times: Infinity })
    return async samples => {
      await allCompleted(rig.crits, samples, 180_000)
    }
  },
}
