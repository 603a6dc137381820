// Faults of a sandbox beyond its answers: what becomes of its tasks and its disk.
import { setTimeout as delay } from 'node:timers/promises'
import {
  type CuckooTask,
  type LogLine,
  type RunningAnalysis,
  type TaskStatus,
  waitFor,
} from '@cuckoo-distributed/testing'
import { allNoticesTold, readDumps } from './dumps.js'
import type { Rig } from './rig.js'
import type { Cell, Run } from './run-cell.js'
import { submitTo } from './sandboxes.js'
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
      for (const task of await tasksOf(rig, samples)) rig.sandbox.vanish(task.id)
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
        })
        for (const { id } of tasks) rig.sandbox.vanish(id)
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
    rig.sandbox.clean()
    setPace(rig, Number.POSITIVE_INFINITY, after)
    return async samples => {
      const ids = (await tasksOf(rig, samples)).map(({ id }) => id)
      rig.sandbox.clean()
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
    after(() => rig.sandbox.clean())
    setPace(rig, Number.POSITIVE_INFINITY, after)
    after(await rig.services.check_results.replace({ config: { AnalysisDeadline: 2 } }))
    return async () => undefined
  },
  unmet: (rig, samples) => givenUpAs(rig, samples, 'error'),
}

/** The sandbox is restarted: what runs is recovered, and goes on as another task with the same `custom`. */
export const RECOVERED: Cell = {
  fault: 'tasks recovered',
  moment: 'during the wait',
  // Two tasks have the mark, of which one has begun only.
  mayRepeat: true,
  async arm(rig, { after }) {
    setPace(rig, Number.POSITIVE_INFINITY, after)
    return async samples => {
      const tasks = await tasksOf(rig, samples)
      rig.pace.analysisMs = 100
      for (const { id } of tasks) rig.sandbox.reschedule(id)
    }
  },
  unmet: async (rig, samples) => {
    const tasks = rig.sandbox.submissions.filter(task => samples.some(sample => by(sample)(task)))
    return tasks.length === 2 * samples.length ? [] : [`${tasks.length} tasks for ${samples.length} samples`]
  },
}

const GIB = 2 ** 30

export const DISK_FULL: Cell = {
  fault: 'disk of the sandbox full for 3 s',
  moment: 'upload',
  async arm(rig, { after }) {
    // CAPE shows whole GiB: a lower threshold is of no use to it.
    after(await rig.services.feed_cuckoo.replace({ config: { CheckFreeSpace: true, MinFreeSpace: 2 * GIB } }))
    after(() => setFree(rig, 64))
    setFree(rig, 1)
    const before = rig.sandbox.submissions.length
    return async () => {
      await delay(3000)
      const early = rig.sandbox.submissions.length - before
      setFree(rig, 3)
      if (early > 0) throw new Error(`${early} samples were sent to a full disk`)
    }
  },
}

function setFree({ sandbox }: Rig, gib: number): void {
  if (sandbox.kind === 'cape') sandbox.freeGiB = gib
  else sandbox.diskspace = { free: gib * GIB, total: 256 * GIB, used: (256 - gib) * GIB }
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
  const from = rig.sandbox.submissions.length
  const timer = setInterval(() => {
    for (const task of rig.sandbox.submissions.slice(from)) {
      if (task.status === 'pending' || task.status === 'running') rig.sandbox.move(task.id, status)
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
  const tasks = () => samples.flatMap(sample => rig.sandbox.submissions.find(by(sample)) ?? [])
  await waitFor(() => tasks().length === samples.length, { describe: 'a task for each sample' })
  return tasks()
}

function by({ analysisId }: RunningAnalysis): (task: CuckooTask) => boolean {
  return task => task.custom === analysisId
}

/** A task of somebody else. */
async function submitForeign({ sandbox }: Rig, id: number): Promise<void> {
  const given = await submitTo(sandbox, `foreign-${id}.exe`, Buffer.from(`MZ of somebody else, ${id}`))
  if (given !== id) throw new Error(`the sandbox was to give the id ${id} once more, and gave ${given}`)
}

/** No try but the first, since none can help, and this status in CRITs. */
export async function givenUpAs(rig: Rig, samples: readonly RunningAnalysis[], status: string): Promise<string[]> {
  await allNoticesTold(rig.dumpDir)
  const dumps = (await readDumps(rig.dumpDir)).map(dump => dump.toString('utf8'))
  return samples.flatMap(({ analysisId }) => {
    const dump = dumps.find(text => text.includes(analysisId)) ?? ''
    return [
      ...(rig.crits.analyses.get(analysisId)?.status === status ? [] : [`not "${status}" in CRITs: ${analysisId}`]),
      ...(dump.includes('"Attempts": 1,') ? [] : [`not given up at the first try: ${analysisId}`]),
    ]
  })
}
