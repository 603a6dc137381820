// What the overseer's tests at a broker share.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { brokerForTests, spawnService, testQueues, waitFor } from '@cuckoo-distributed/testing'
import { dumpNames, temporaryDir } from './support.js'

/** A broker with a work queue, and the configuration of an overseer. */
export async function scene(t: TestContext) {
  const broker = await brokerForTests(t)
  const { failed, work } = await testQueues(t, broker, 'failed', 'work')
  const dumpDir = join(await temporaryDir(t), 'dumps')
  const config = {
    Amqp: broker.url,
    ConsumerQueue: failed,
    DumpDir: dumpDir,
    RetryDelays: [1, 1, 1],
    LogLevel: 'debug',
  }
  const start = async (changes: object = {}) => {
    const service = await spawnService(t, 'overseer', { config: { ...config, ...changes } })
    await service.waitForLog('consuming')
    return service
  }
  const dumped = (count: number) =>
    waitFor(
      async () => {
        const names = await dumpNames(dumpDir)
        return names.length === count && names
      },
      { describe: `${count} dumps` },
    )
  const readDump = async (name: string | undefined) => JSON.parse(await readFile(join(dumpDir, name ?? ''), 'utf8'))
  const settled = () =>
    waitFor(async () => (await broker.depth(failed)) === 0 && (await broker.depth(`${failed}.delay.1`)) === 0, {
      describe: 'empty queues',
    })
  return { broker, failed, work, dumpDir, config, start, dumped, readDump, settled }
}
