// What the decoding thread and its reader say to each other.

/** Bytes that the thread sends at a time. */
export const PIECE_BYTES = 131_072
/** Pieces that may be on their way. */
export const PIECES = 4

/** What the thread is started with. */
export interface BunzipJob {
  /** An open file, read from its beginning with positions: the file's own position is not used. */
  readonly fd: number
  /** One shared number: pieces that the thread may send. */
  readonly credit: Int32Array
}

/** Decoded bytes. */
export interface BunzipMessage {
  readonly piece: Uint8Array
  readonly last: boolean
}
