// A file to be analysed, wherever its bytes are.

/** Disposing of it frees what holds its bytes; a second time is harmless. */
export interface Sample extends AsyncDisposable {
  /** Bytes. */
  readonly size: number
  /** 32 lower-case hex digits; of a large sample worked out only when it is asked for. */
  md5(): Promise<string>
  /** Starts from the first byte; may be called again. */
  open(): AsyncIterable<Buffer>
}
