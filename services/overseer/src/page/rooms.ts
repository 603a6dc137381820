// Which sandboxes have room, as those who feed them were told.
import { badge, type Column, dataTable, html, since } from '@cuckoo-distributed/page/browser'
import type { Overview } from '../admin/wire.js'

type Room = Overview['rooms'][number]

/** Nothing where nobody tells. */
export function roomsTable({ rooms, at }: Overview): unknown {
  if (rooms.length === 0) return ''
  return html`<h3>Sandboxes</h3>
    <div id="rooms">${dataTable({
      label: 'Sandboxes',
      columns: columnsOf(rooms, at),
      rows: rooms,
      key: ({ sandbox }) => sandbox,
      empty: 'No sandbox is known.',
    })}</div>`
}

const TONES = { room: 'good', full: 'warn', unknown: 'idle' } as const

function columnsOf(rooms: readonly Room[], now: number): Column<Room>[] {
  const free: Column<Room>[] = [{ title: 'Free', isNumber: true, cell: freeOf }]
  return [
    { title: 'Sandbox', cell: ({ sandbox }) => sandbox },
    { title: 'Room', isShort: true, cell: ({ state }) => badge(TONES[state], state) },
    { title: 'Pending', isNumber: true, cell: ({ pending, maxPending }) => `${pending ?? '?'} of ${maxPending}` },
    ...(rooms.some(({ freeBytes }) => freeBytes !== undefined) ? free : []),
    { title: 'As of', isShort: true, cell: ({ asOf }) => (asOf === undefined ? undefined : since(asOf, now)) },
  ]
}

function freeOf({ freeBytes }: Room): string | undefined {
  return freeBytes === undefined ? undefined : `${(freeBytes / 1024 ** 3).toFixed(1)} GiB`
}
