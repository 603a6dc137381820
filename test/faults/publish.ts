// The samples of a run, published as CRITs does but with a confirm, so that what is counted in is surely in.
import { type RunningAnalysis, TestBroker } from '@cuckoo-distributed/testing'
import type { Rig } from './rig.js'

export async function publishConfirmed(rig: Rig, queue: string, samples: readonly RunningAnalysis[]): Promise<void> {
  const broker = await TestBroker.connect(rig.node.url)
  for (const { body } of samples) {
    await broker.publish(queue, body, { persistent: true, contentType: 'application/json' })
  }
  await broker.close()
}
