/** Group commit: what is asked for while the last commit is under way shares the next one. */

interface Waiting<I, O> {
  readonly item: I
  readonly resolve: (output: O) => void
  readonly reject: (error: unknown) => void
}

/**
 * Makes a function that settles for each item as `commit` does for a list of items, which gives outputs in the same order; it
 * rejects for all items of a list when that fails.
 */
export function groupCommit<I, O>(commit: (items: readonly I[]) => Promise<readonly O[]>): (item: I) => Promise<O> {
  const waiting: Waiting<I, O>[] = []
  let isRunning = false

  const settle = async (batch: readonly Waiting<I, O>[]): Promise<void> => {
    try {
      const outputs = await commit(batch.map(({ item }) => item))
      for (const [i, { resolve, reject }] of batch.entries()) {
        const output = outputs[i]
        if (output === undefined) reject(new RangeError('a commit gave fewer outputs than it had items'))
        else resolve(output)
      }
    } catch (error: unknown) {
      for (const { reject } of batch) reject(error)
    }
  }

  const run = async (): Promise<void> => {
    // Requests that are handled in the same turn of the event loop come together.
    await new Promise(resolve => setImmediate(resolve))
    while (waiting.length > 0) await settle(waiting.splice(0))
    isRunning = false
  }

  return item =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject })
      if (isRunning) return
      isRunning = true
      void run()
    })
}
