// What is done to a running pipeline. Each action resolves when it is over and everything has been repaired.
import { setTimeout as delay } from 'node:timers/promises'
import { type Rig, SERVICES, type ServiceName } from './rig.js'

export type ActionName =
  | 'SIGKILL'
  | 'SIGTERM'
  | 'connections reset'
  | 'publishing connection reset'
  | 'consuming connection reset'
  | 'connections stalled'
  | 'broker kill -9'
  | 'broker stop_app'
  | 'memory alarm'
  | 'disk alarm'
  | 'clock 1 h forward'
  | 'clock 1 h back'

export type Action = (rig: Rig, service: ServiceName) => Promise<void>

const HOLD_MS = 1000

async function stall(rig: Rig, service: ServiceName): Promise<void> {
  rig.taps[service].stall()
  await delay(HOLD_MS)
}

async function alarm(rig: Rig, set: readonly string[], clear: readonly string[]): Promise<void> {
  await rig.node.ctl(...set)
  rig.taps.feed_cuckoo.release()
  await delay(HOLD_MS)
  await rig.node.ctl(...clear)
}

/** By the name in the table. */
export const ACTIONS: Readonly<Record<ActionName, Action>> = {
  SIGKILL: (rig, service) => rig.services[service].end('SIGKILL'),
  SIGTERM: (rig, service) => rig.services[service].end('SIGTERM'),
  'connections reset': async (rig, service) => rig.taps[service].cut(),
  'publishing connection reset': async (rig, service) => rig.taps[service].cut('held'),
  'consuming connection reset': async (rig, service) => rig.taps[service].cut('others'),
  'connections stalled': stall,
  'broker kill -9': rig => rig.node.restart(),
  'broker stop_app': async rig => {
    await rig.node.ctl('stop_app')
    await rig.node.ctl('start_app')
  },
  'memory alarm': rig => alarm(rig, ['set_vm_memory_high_watermark', '0'], ['set_vm_memory_high_watermark', '0.4']),
  'disk alarm': rig => alarm(rig, ['set_disk_free_limit', '1000GB'], ['set_disk_free_limit', '10MB']),
  'clock 1 h forward': (rig, service) => rig.services[service].jump('forward'),
  'clock 1 h back': (rig, service) => rig.services[service].jump('back'),
}

/** These reach every service, so that any batch or confirm may be cut. */
export const REACHES_ALL: ReadonlySet<ActionName> = new Set(['broker kill -9', 'broker stop_app'])

/** Ends every script, trap and stall that was not used up. */
export function repair(rig: Rig): void {
  rig.sandbox.faults.clear()
  rig.crits.faults.clear()
  for (const name of SERVICES) rig.taps[name].release()
}
