// Which parts of which compiled files a test file runs, from the coverage that V8 writes.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A function `(url, offset) → boolean` for the coverage files in `directory`; offsets are in UTF-16 units. */
export function readCoverage(directory) {
  const ranges = new Map()
  for (const name of readdirSync(directory)) {
    const { result } = JSON.parse(readFileSync(join(directory, name), 'utf8'))
    for (const { url, functions } of result) {
      if (!url.startsWith('file:')) continue
      const runs = ranges.get(url) ?? []
      ranges.set(url, runs)
      runs.push(functions.flatMap(({ ranges: parts }) => parts))
    }
  }
  return (url, offset) => (ranges.get(url) ?? []).some(parts => countAt(parts, offset) > 0)
}

/** The count of the innermost range around `offset`. */
function countAt(parts, offset) {
  let innermost
  for (const part of parts) {
    if (part.startOffset > offset || part.endOffset <= offset) continue
    if (!innermost || part.endOffset - part.startOffset <= innermost.endOffset - innermost.startOffset) innermost = part
  }
  return innermost?.count ?? 0
}
