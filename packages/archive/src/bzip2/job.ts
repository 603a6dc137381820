// What the decoding thread and its reader share.

/** Bytes that the thread hands over at a time. */
export const PIECE_BYTES = 65_536
/** Pieces in the ring: those that are decoded ahead of the reader, and those that it may still look at. */
export const PIECES = 8

/** What the thread is started with. */
export interface BunzipJob {
  /** An open file, read from its beginning with positions: the file's own position is not used. */
  readonly fd: number
  /** One number: pieces of `ring` that the thread may fill. */
  readonly credit: Int32Array
  /** `PIECES` pieces in shared memory, filled in turn. */
  readonly ring: Uint8Array<SharedArrayBuffer>
}

/** Says that the next piece of the ring is filled with `bytes`; fewer than `PIECE_BYTES` mean the end. */
export interface BunzipMessage {
  readonly bytes: number
}
