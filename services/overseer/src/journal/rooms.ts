// How much room there is in each sandbox, as whoever feeds it told last.
import type { PipelineEvent, SandboxRoom } from '@cuckoo-distributed/core'

/** Others may tell what they like. */
const MOST_ROOMS = 200

export interface ToldRoom extends SandboxRoom {
  /** URL, as it may be shown. */
  readonly sandbox: string
  readonly instance: string
  /** When it was told; milliseconds since 1970. */
  readonly at: number
}

export class Rooms {
  /** By instance and sandbox, the one last that was told last. */
  readonly #rooms = new Map<string, ToldRoom>()

  add({ event, instance, sandbox, room, at }: PipelineEvent): void {
    if (event === 'stopped') {
      for (const [key, told] of this.#rooms) if (told.instance === instance) this.#rooms.delete(key)
    }
    if (event !== 'room' || sandbox === undefined || room === undefined) return
    const key = JSON.stringify([instance, sandbox])
    this.#rooms.delete(key)
    this.#rooms.set(key, { sandbox, instance, at, ...room })
    const [oldest] = this.#rooms.keys()
    if (this.#rooms.size > MOST_ROOMS && oldest !== undefined) this.#rooms.delete(oldest)
  }

  clear(): void {
    this.#rooms.clear()
  }

  get told(): ToldRoom[] {
    return [...this.#rooms.values()]
  }
}

/** Feeders tell every minute: one that is silent for that long is not there, and nobody asks after its sandbox. */
const SILENCE_MS = 24 * 3_600_000
/** A status that is older says nothing of now. */
const FRESH_MS = 5 * 60_000

/** Of each sandbox what its newest status said; `unknown` where that is too old to be believed. In the order of their names. */
export function roomsAt(now: number, told: readonly ToldRoom[]): ToldRoom[] {
  const newest = new Map<string, ToldRoom>()
  for (const room of told.filter(({ at }) => now - at < SILENCE_MS)) {
    const other = newest.get(room.sandbox)
    if (other === undefined || (room.asOf ?? 0) > (other.asOf ?? 0)) newest.set(room.sandbox, room)
  }
  return [...newest.values()]
    .map(room => (now - (room.asOf ?? 0) < FRESH_MS ? room : { ...room, state: 'unknown' as const }))
    .sort((a, b) => (a.sandbox < b.sandbox ? -1 : 1))
}
