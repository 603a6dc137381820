// The commands of the built overseer beside a running one, and what they take.
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { builtService, type ServiceProcess, startService, TestBroker } from '@cuckoo-distributed/testing'

const NOT_FOUND = 1

export interface Beside {
  readonly overseer: ServiceProcess
  /** The configuration of the running one, for commands. */
  readonly file: string
}

/** Measures beside an overseer with these keys, which has a queue of its own; `folder` gets its configuration. */
export async function besideOverseer<T>(
  amqp: string,
  folder: string,
  keys: object,
  measure: (beside: Beside) => Promise<T>,
): Promise<T> {
  const failed = `bench.${randomUUID()}.failed`
  const config = { Amqp: amqp, ConsumerQueue: failed, ...keys }
  const file = join(folder, 'overseer.json')
  await writeFile(file, JSON.stringify(config))
  const overseer = await startService('overseer', { config })
  try {
    await overseer.waitForLog('consuming', { deadlineMs: 30_000 })
    return await measure({ overseer, file })
  } finally {
    await overseer.kill()
    const broker = await TestBroker.connect(amqp)
    const suffixes = ['', '.events', '.lost', ...[1, 10, 60, 300, 600].map(seconds => `.delay.${seconds}`)]
    for (const suffix of suffixes) await broker.delete(failed + suffix)
    await broker.close()
  }
}

/** Runs the built overseer with these arguments to its end, with the seconds that it took. A sample that is not found is an answer. */
export async function overseerCommand(...args: string[]): Promise<{ readonly seconds: number; readonly cpu: number }> {
  const timed = ['-c', 'TIMEFORMAT="%R %U %S"; time "$@"', 'bash', process.execPath, builtService('overseer'), ...args]
  const { stderr } = await promisify(execFile)('bash', timed).catch((error: unknown) => {
    if (isNotFound(error)) return error
    throw error
  })
  const [seconds = 0, user = 0, system = 0] = (stderr.trim().split('\n').at(-1) ?? '').split(' ').map(Number)
  return { seconds, cpu: user + system }
}

function isNotFound(error: unknown): error is { readonly stderr: string } {
  return error instanceof Error && 'code' in error && error.code === NOT_FOUND && 'stderr' in error
}
