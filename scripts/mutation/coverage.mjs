// Which places with mutants this process runs, as V8 counts them.

import { readFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'

const ROOT = new URL('../..', import.meta.url).href

export class Coverage {
  #places = new Map()
  #session = new Session()
  /** What of the project was run. */
  files = new Set()

  constructor(mutants) {
    for (const { url, from } of JSON.parse(readFileSync(mutants, 'utf8')))
      this.#places.set(url, (this.#places.get(url) ?? new Set()).add(from))
  }

  /** Before the modules are loaded. */
  async start() {
    this.#session.connect()
    await this.#session.post('Profiler.enable')
    await this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  }

  /** The places that were run since the last call, as `[url, offsets]`; offsets are in UTF-16 units. */
  async take() {
    const { result } = await this.#session.post('Profiler.takePreciseCoverage')
    return result.flatMap(({ url, functions }) => {
      const path = url.replace(/\?run=.*$/, '')
      if (path.startsWith(ROOT) && !path.includes('/node_modules/')) this.files.add(path)
      const ranges = functions.flatMap(each => each.ranges)
      const run = [...(this.#places.get(path) ?? [])].filter(offset => countAt(ranges, offset) > 0)
      return run.length > 0 ? [[path, run]] : []
    })
  }
}

/** The count of the innermost range around `offset`. */
function countAt(ranges, offset) {
  let innermost
  for (const range of ranges) {
    if (range.startOffset > offset || range.endOffset <= offset) continue
    const length = ({ startOffset, endOffset }) => endOffset - startOffset
    if (!innermost || length(range) <= length(innermost)) innermost = range
  }
  return innermost?.count ?? 0
}
