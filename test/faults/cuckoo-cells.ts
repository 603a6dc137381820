// Faults of Cuckoo beyond its answers: what becomes of its tasks, its database and its disk.
import { setTimeout as delay } from 'node:timers/promises'
import {
  type CuckooFault,
  type CuckooTask,
  type FaultRule,
  type LogLine,
  type RunningAnalysis,
  type TaskStatus,
  waitFor,
} from '@cuckoo-distributed/testing'
import { ENDPOINTS, script } from './actions.js'
import { readDumps } from './dumps.js'
import type { Rig } from './rig.js'
import type { Cell, Run, Strike } from './run-cell.js'
import { hurry } from './variant.js'

/** Somebody deletes the tasks while check_results watches them. */
export const VANISHED_WHILE_WATCHED: Cell = {
  fault: 'task vanished',
  moment: 'during the wait',
  mayDump: true,
  async arm(rig, { after }) {
    after(await hurry(rig, 'check_results'))
    setPace(rig, Number.POSITIVE_INFINITY, after)
    return async samples => {
      for (const task of await tasksOf(rig, samples)) rig.cuckoo.vanish(task.id)
    }
  },
  unmet: (rig, samples) => givenUpAs(rig, samples, 'error'),
}

/** Somebody deletes the tasks between their end and the download of their reports. */
export function vanishedBeforeReport(CuckooCleanup: boolean): Cell {
  return {
    fault: 'task vanished',
    moment: `before the report${CuckooCleanup ? ', CuckooCleanup' : ''}`,
    mayDump: true,
    async arm(rig, { after }) {
      after(await rig.services.parse_and_submit.replace({ config: { CuckooCleanup } }))
      rig.taps.parse_and_submit.stall()
      return async samples => {
        const tasks = await tasksOf(rig, samples)
        const isOurs = (line: LogLine) => samples.some(({ analysisId }) => analysisId === line.analysisId)
        const reported = () => rig.services.check_results.log.filter(line => line.msg === 'reported' && isOurs(line))
        await waitFor(() => reported().length === samples.length, {
          describe: 'all to be reported',
          deadlineMs: 60_000,
        })
        for (const { id } of tasks) rig.cuckoo.vanish(id)
        rig.taps.parse_and_submit.release()
      }
    },
    // With cleanup the work was most likely done, and only the news of it was lost.
    unmet: (rig, samples) => givenUpAs(rig, samples, CuckooCleanup ? 'started' : 'error'),
  }
}

/** Cuckoo is reset while analyses run, and others' tasks get their ids. */
export const IDS_REUSED: Cell = {
  fault: 'task ids reused',
  moment: 'during the wait',
  mayDump: true,
  async arm(rig, { after }) {
    rig.cuckoo.clean()
    setPace(rig, Number.POSITIVE_INFINITY, after)
    return async samples => {
      const ids = (await tasksOf(rig, samples)).map(({ id }) => id)
      rig.cuckoo.clean()
      rig.pace.analysisMs = 100
      for (const id of ids) await submitForeign(rig, id)
    }
  },
  async unmet(rig, samples) {
    const rows = samples.map(({ analysisId }) => rig.crits.analyses.get(analysisId)?.results.length ?? 0)
    const foreign = rows.some(count => count > 0) ? ['rows of a foreign report in CRITs'] : []
    return [...foreign, ...(await givenUpAs(rig, samples, 'error'))]
  },
}

export const NEVER_ENDING: Cell = {
  fault: 'task never ends',
  moment: 'AnalysisDeadline',
  mayDump: true,
  async arm(rig, { after }) {
    after(() => rig.cuckoo.clean())
    setPace(rig, Number.POSITIVE_INFINITY, after)
    after(await rig.services.check_results.replace({ config: { AnalysisDeadline: 2 } }))
    return async () => undefined
  },
  unmet: (rig, samples) => givenUpAs(rig, samples, 'error'),
}

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
      await waitFor(() => rig.cuckoo.faults.pending === 0, { describe: 'an upload', everyMs: 1, deadlineMs: 60_000 })
      rig.cuckoo.faults.next({ kind: 'databaseError', match: { path }, times: 8 })
      await waitFor(() => rig.cuckoo.faults.pending === 0, {
        describe: 'the lists to be asked for',
        deadlineMs: 60_000,
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

const GIB = 2 ** 30

export const DISK_FULL: Cell = {
  fault: 'disk of Cuckoo full for 3 s',
  moment: 'upload',
  async arm(rig, { after }) {
    after(await rig.services.feed_cuckoo.replace({ config: { CheckFreeSpace: true } }))
    after(() => {
      rig.cuckoo.diskspace = undefined
    })
    rig.cuckoo.diskspace = { free: 0, total: GIB, used: GIB }
    const before = rig.cuckoo.submissions.length
    return async () => {
      await delay(3000)
      const early = rig.cuckoo.submissions.length - before
      rig.cuckoo.diskspace = { free: GIB, total: 2 * GIB, used: GIB }
      if (early > 0) throw new Error(`${early} samples were sent to a full disk`)
    }
  },
}

export function analysesFail(status: TaskStatus): Cell {
  return {
    fault: status,
    moment: 'during the wait',
    mayDump: true,
    async arm(rig, { after }) {
      failAnalyses(rig, after, status)
      return async () => undefined
    },
    unmet: (rig, samples) => givenUpAs(rig, samples, 'error'),
  }
}

/** Moves every new task to a status, `failed_analysis` by default, until the outcome is known. */
export function failAnalyses(rig: Rig, after: Run['after'], status: TaskStatus = 'failed_analysis'): void {
  const from = rig.cuckoo.submissions.length
  const timer = setInterval(() => {
    for (const task of rig.cuckoo.submissions.slice(from)) {
      if (task.status === 'pending' || task.status === 'running') rig.cuckoo.move(task.id, status)
    }
  }, 5)
  after(() => clearInterval(timer))
}

/** Changes how long new analyses take, for this cell. */
export function setPace(rig: Rig, analysisMs: number, after: Run['after']): void {
  const former = rig.pace.analysisMs
  rig.pace.analysisMs = analysisMs
  after(() => {
    rig.pace.analysisMs = former
  })
}

/** The tasks of samples, once each has one. */
export async function tasksOf(rig: Rig, samples: readonly RunningAnalysis[]): Promise<CuckooTask[]> {
  const tasks = () => samples.flatMap(sample => rig.cuckoo.submissions.find(by(sample)) ?? [])
  await waitFor(() => tasks().length === samples.length, { describe: 'a task for each sample', deadlineMs: 60_000 })
  return tasks()
}

function by({ analysisId }: RunningAnalysis): (task: CuckooTask) => boolean {
  return task => task.custom === analysisId
}

/** Scripts a fault for two requests; it is over when it has begun. */
function scriptTwice({ cuckoo }: Rig, fault: FaultRule<CuckooFault>): Strike {
  cuckoo.faults.next({ ...fault, times: 2 })
  return async () => {
    await waitFor(() => cuckoo.faults.pending < 2, { describe: 'the fault to strike', deadlineMs: 60_000 })
  }
}

/** A task of somebody else. */
async function submitForeign(rig: Rig, id: number): Promise<void> {
  const form = new FormData()
  form.set('file', new Blob([`MZ of somebody else, ${id}`]), `foreign-${id}.exe`)
  const answer = await fetch(`${rig.cuckoo.url}/tasks/create/file`, { method: 'POST', body: form })
  const text = await answer.text()
  if (!text.includes(`${id}`)) throw new Error(`Cuckoo was to give the id ${id} once more: ${text}`)
}

/** No try but the first, since none can help, and this status in CRITs. */
async function givenUpAs(rig: Rig, samples: readonly RunningAnalysis[], status: string): Promise<string[]> {
  const dumps = (await readDumps(rig.dumpDir)).map(dump => dump.toString('utf8'))
  return samples.flatMap(({ analysisId }) => {
    const dump = dumps.find(text => text.includes(analysisId)) ?? ''
    return [
      ...(rig.crits.analyses.get(analysisId)?.status === status ? [] : [`not "${status}" in CRITs: ${analysisId}`]),
      ...(dump.includes('"Attempts": 1,') ? [] : [`not given up at the first try: ${analysisId}`]),
    ]
  })
}
