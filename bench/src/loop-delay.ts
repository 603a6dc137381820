// Loaded into a service with `--import`: writes the delay of its event loop to LOOP_DELAY_FILE when it ends.
import { writeFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { isMainThread } from 'node:worker_threads'

/** Milliseconds, less the 20 between two looks: each look is a wakeup that the service pays for. */
export interface LoopDelay {
  readonly p99: number
  readonly max: number
}

const file = process.env.LOOP_DELAY_FILE
if (isMainThread && file !== undefined) {
  const resolution = 20
  const delay = monitorEventLoopDelay({ resolution })
  delay.enable()
  process.on('exit', () => {
    const figures: LoopDelay = { p99: delay.percentile(99) / 1e6 - resolution, max: delay.max / 1e6 - resolution }
    writeFileSync(file, JSON.stringify(figures))
  })
}
