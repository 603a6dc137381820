/** Works through items with at most `limit` of them in work at a time; the first failure ends the taking of further ones. */
export async function inParallel<T>(
  items: Iterable<T>,
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const left = (function* () {
    yield* items
  })()
  const lanes = Array.from({ length: limit }, async () => {
    // A failure ends the loop, which closes the generator that all lanes share.
    for (const item of left) await work(item)
  })
  const failed = (await Promise.allSettled(lanes)).find(lane => lane.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}
