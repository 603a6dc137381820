// Built services under measurement, on queues of their own.
import { randomUUID } from 'node:crypto'
import { readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ServiceProcess, startService } from '@cuckoo-distributed/testing'
import type { LoopDelay } from './loop-delay.js'

const LOOP_DELAY = new URL('./loop-delay.js', import.meta.url).href
const PROFILE = new URL('./profile.js', import.meta.url).href

/** A service that consumes already. */
export interface Measured {
  readonly service: ServiceProcess
  /** Ends the service; resolves with the delay of its event loop over its whole life, and its processor seconds. */
  end(): Promise<LoopDelay & { readonly cpu: number; readonly peak: number }>
}

export async function measured(name: string, config: object): Promise<Measured> {
  const file = join(tmpdir(), `loop-delay-${randomUUID()}`)
  const env = { NODE_OPTIONS: `--import ${LOOP_DELAY} --import ${PROFILE}`, LOOP_DELAY_FILE: file }
  const service = await startService(name, { config: config, env })
  await service.waitForLog('consuming', { deadlineMs: 30_000 })
  return {
    service,
    async end() {
      const [cpu, { peak }] = [(await service.cpu()) / 1000, await service.rss()]
      await service.stop()
      const delay: LoopDelay = JSON.parse(await readFile(file, 'utf8'))
      await rm(file)
      return { ...delay, cpu, peak: peak / 1024 ** 2 }
    },
  }
}
