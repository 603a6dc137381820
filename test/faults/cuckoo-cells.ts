// What only a Cuckoo does when its database fails: empty lists, counters of 0, tasks without a number. CAPE answers 500.
import { type CuckooFault, type CuckooStandIn, type FaultRule, waitFor } from '@cuckoo-distributed/testing'
import { ENDPOINTS, script } from './endpoints.js'
import type { Rig } from './rig.js'
import type { Cell, Strike } from './run-cell.js'
import { setPace } from './sandbox-cells.js'

/** Requests of these paths meet a database that fails, twice each. */
const DATABASE_READERS = {
  status: /^\/cuckoo\/status/,
  upload: /^\/tasks\/create\/file/,
  'task list': /^\/tasks\/list/,
  'task view': /^\/tasks\/view/,
} as const

/** Counters of 0, `"task_id": null`, an empty list, a 404: what Cuckoo makes of an error of its database. */
export const DATABASE_HICCUPS: readonly Cell[] = Object.entries(DATABASE_READERS).map(([moment, path]) => ({
  fault: 'database of Cuckoo fails',
  moment,
  row: 'status, upload, list, view',
  async arm(rig) {
    // A status is used for five seconds; a new process has none.
    if (moment === 'status') await rig.services.feed_cuckoo.end('SIGTERM')
    return scriptTwice(rig, { kind: 'databaseError', match: { path } })
  },
}))

/** The answer to an upload is lost, and the lists that would show its task are empty. */
export const HIDDEN_TASK: Cell = {
  fault: 'database of Cuckoo fails',
  moment: 'after an upload without an answer',
  async arm(rig, { after }) {
    setPace(rig, 3000, after)
    script(rig, ENDPOINTS.upload, { kind: 'lostAfterStore' })
    const path = DATABASE_READERS['task list']
    return async () => {
      await waitFor(() => rig.sandbox.faults.pending === 0, { describe: 'an upload', everyMs: 1 })
      cuckooOf(rig).faults.next({ kind: 'databaseError', match: { path }, times: 8 })
      await waitFor(() => rig.sandbox.faults.pending === 0, {
        describe: 'the lists to be asked for',
      })
    }
  },
}

export const NULL_TASK: Cell = {
  fault: '"task_id": null',
  moment: 'upload',
  async arm(rig) {
    return scriptTwice(rig, { kind: 'nullTask', match: { path: DATABASE_READERS.upload } })
  },
}

/** Scripts a fault for two requests; it is over when it has begun. */
function scriptTwice(rig: Rig, fault: FaultRule<CuckooFault>): Strike {
  const { faults } = cuckooOf(rig)
  faults.next({ ...fault, times: 2 })
  return async () => {
    await waitFor(() => faults.pending < 2, { describe: 'the fault to strike' })
  }
}

function cuckooOf({ sandbox }: Rig): CuckooStandIn {
  if (sandbox.kind === 'cuckoo') return sandbox
  throw new RangeError('this is a fault of Cuckoo')
}
