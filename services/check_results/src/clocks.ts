// What must be known of a watch when the message comes back after `HoldLimit`: a note on the message.
import { asNumbers, type Note } from '@cuckoo-distributed/core'

/** Times are in milliseconds since 1970. */
export type WatchClocks = Record<string, number> & {
  watchedSince?: number
  viewedAt?: number
  /** The first of `troubles` views in a row that did not show the task. */
  troubledSince?: number
  troubles?: number
}

export const CLOCKS: Note<WatchClocks> = { header: 'x-since', read: asNumbers }
