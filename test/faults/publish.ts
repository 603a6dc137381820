// Messages as CRITs publishes them but with a confirm, so that what is counted in is surely in.
import { TestBroker } from '@cuckoo-distributed/testing'
import type { Rig } from './rig.js'

export async function publishConfirmed(rig: Rig, queue: string, bodies: readonly Buffer[]): Promise<void> {
  const broker = await TestBroker.connect(rig.node.url)
  for (const body of bodies) await broker.publish(queue, body, { persistent: true, contentType: 'application/json' })
  await broker.close()
}
