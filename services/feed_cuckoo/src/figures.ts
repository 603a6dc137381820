// What the metrics of feed_cuckoo say of its sandbox.
import type { Figure } from '@cuckoo-distributed/core'
import type { Room } from './room.js'

/** `sandbox`: its URL, as it may be shown. */
export function roomFigures(room: Pick<Room, 'seen'>, sandbox: string): Figure[] {
  const readFrom = (value: number | undefined) => (value === undefined ? [] : [[sandbox, value] as const])
  return [
    {
      name: 'sandbox_pending_tasks',
      help: 'Tasks that wait in the sandbox, as of its last status',
      kind: 'gauge',
      label: 'sandbox',
      read: () => readFrom(room.seen?.pending),
    },
    {
      name: 'sandbox_free_bytes',
      help: 'Free space of the sandbox, as of its last status; missing where it does not tell',
      kind: 'gauge',
      label: 'sandbox',
      read: () => readFrom(room.seen?.freeBytes),
    },
  ]
}
