// `--kill`: the services and the broker are killed in the middle of their work, as a power cut would, and started again.
import { type PrivateRabbitMq, waitFor } from '@cuckoo-distributed/testing'
import type { Progress } from './progress.js'
import type { Scene } from './scene.js'
import type { ServiceName } from './services.js'

/** Who is killed once a sample has come to a state, in this order. */
const KILLS: readonly (readonly [state: string, victim: ServiceName | 'RabbitMQ'])[] = [
  ['Cuckoo', 'feed_cuckoo'],
  ['Cuckoo', 'RabbitMQ'],
  ['Cuckoo', 'check_results'],
  ['reported', 'parse_and_submit'],
  ['reported', 'overseer'],
]

/** Kills each in turn, and resolves with how many it were when the last is at work again. */
export async function killAll(scene: Scene, progress: Progress, node: PrivateRabbitMq): Promise<number> {
  for (const [state, victim] of KILLS) {
    const describe = `a sample to come to ${state}`
    await waitFor(() => progress.reached(state), { deadlineMs: 2 ** 31 - 1, signal: scene.signal, describe })
    scene.print(`kill -9   ${victim}`)
    await (victim === 'RabbitMQ' ? node.restart() : scene.services.restart(victim))
    scene.print(`started   ${victim}`)
  }
  return KILLS.length
}
