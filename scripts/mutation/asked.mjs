// The tests of a package, and which of them run a place.
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const SLOWEST_FILE_MS = 5 * 60_000
const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/**
 * Runs the compiled test file as it is, and resolves with it as `{ file, tests, failure, noticed }`, `tests` being `{ index, ms, places }`. What it did the last time is kept
 * in node_modules/.cache until one of the project's files that it ran changes.
 */
export async function examined(file, runner) {
  const kept = join(ROOT, 'node_modules', '.cache', 'mutation', `${relative(ROOT, file).replaceAll('/', '-')}.json`)
  let run = readKept(kept)
  if (run === undefined) {
    // What counts, counts on from here.
    runner.renew()
    const { tests, loaded, files, failure } = await runner.run({ file, covers: true, timeoutMs: SLOWEST_FILE_MS })
    runner.renew()
    if (failure !== undefined) return { file, failure }
    const used = [import.meta.url, new URL('./mutants.mjs', import.meta.url).href, ...files]
    run = { tests, loaded, digests: used.map(url => [url, digestOf(url)]) }
    mkdirSync(join(kept, '..'), { recursive: true })
    writeFileSync(kept, JSON.stringify(run))
  }
  const has = (places, url, offset) => places.some(([path, offsets]) => path === url && offsets.includes(offset))
  const covering = (url, offset) =>
    run.tests.filter(({ places }) => has(run.loaded, url, offset) || has(places, url, offset))
  return { file, tests: run.tests, covering, noticed: new Map() }
}

/** Whether `test` fails with the mutant and passes without it, asked in the same way. */
export async function notices(test, mutant, runner) {
  const covering = test.covering(mutant.url, mutant.from)
  // A test may need those before it.
  for (const asked of covering.length < test.tests.length ? [covering, test.tests] : [covering]) {
    const only = asked.map(({ index }) => index)
    const timeoutMs = 10_000 + 4 * asked.reduce((sum, { ms }) => sum + ms, 0)
    for (const _try of [1, 2]) {
      const { failure, begun } = await runner.run({ file: test.file, mutant: mutant.index, only, timeoutMs })
      if (failure === undefined) return undefined
      const without = await runner.run({
        file: test.file,
        only: only.filter(index => begun.includes(index)),
        timeoutMs,
      })
      if (without.failure === undefined) return failure
      // It may have been spoilt by a mutant before.
      runner.renew()
    }
  }
  return undefined
}

function readKept(path) {
  try {
    const run = JSON.parse(readFileSync(path, 'utf8'))
    return run.digests.every(([url, digest]) => digestOf(url) === digest) ? run : undefined
  } catch {
    return undefined
  }
}

function digestOf(url) {
  return createHash('sha256')
    .update(readFileSync(fileURLToPath(url)))
    .digest('hex')
}
