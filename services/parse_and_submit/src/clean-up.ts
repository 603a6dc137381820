// Deletes the task from Cuckoo once its message is settled.
import { backOff, delay, timeLimit } from '@cuckoo-distributed/wait'
import type { Analysis } from './analysis.js'

/** How long the task is tried to be deleted from a Cuckoo that is away, or refuses. */
const CLEANUP_MS = 10 * 60_000

/** `signal` ends it with the process. Never throws: the work on the message is done. */
export async function cleanUp({ task, cuckoo, context }: Analysis, signal: AbortSignal): Promise<void> {
  const { log } = context
  const limit = timeLimit(signal, CLEANUP_MS, new Error('it was tried for long enough'))
  const pauses = backOff({ initialMs: 1_000, maxMs: 60_000 })
  let problem: unknown
  try {
    for (;;) {
      try {
        const deletion = await cuckoo.availability.patiently(limit.signal, inner =>
          cuckoo.client.deleteTask(task.taskId, inner),
        )
        if (deletion === 'deleted' || deletion === 'gone') return log.info({ deletion }, 'cleaned up in Cuckoo')
        if (deletion === 'kept') {
          return log.warn(
            `task ${task.taskId} stays in Cuckoo: it has tags, and deleting it would delete other tasks with them`,
          )
        }
        problem = new Error('Cuckoo says that the task is being processed')
      } catch (error) {
        limit.signal.throwIfAborted()
        problem = error
      }
      await delay(pauses.next(), limit.signal)
    }
  } catch (error) {
    log.warn({ err: problem ?? error }, `task ${task.taskId} stays in Cuckoo: it could not be deleted`)
  } finally {
    limit.dispose()
  }
}
