/**
 * The chunks of `source`, until `signal` fires: then the waiting ends with `signal.reason`, and the source is told to stop without being waited for.
 */
export async function* abortable<T>(
  source: AsyncIterable<T>,
  signal: AbortSignal | undefined,
): AsyncGenerator<T, void, undefined> {
  const iterator = source[Symbol.asyncIterator]()
  let interrupt: ((reason: unknown) => void) | undefined
  const onAbort = (): void => interrupt?.(signal?.reason)
  signal?.addEventListener('abort', onAbort, { once: true })
  let open = true
  try {
    for (;;) {
      signal?.throwIfAborted()
      const next = await new Promise<IteratorResult<T>>((resolve, reject) => {
        interrupt = reject
        iterator.next().then(resolve, reject)
      })
      if (next.done === true) {
        open = false
        return
      }
      yield next.value
    }
  } finally {
    signal?.removeEventListener('abort', onAbort)
    // A source that hangs in `next` may hang in `return` too, and one that has failed may fail again: neither is news.
    if (open) iterator.return?.().catch(() => undefined)
  }
}
