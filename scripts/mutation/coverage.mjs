// Which parts of which compiled files a test file runs, from the coverage that V8 writes.
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { runTest } from './run-test.mjs'

const SLOWEST_TEST_MS = 5 * 60_000

/**
 * Runs the test file, and resolves with `{ passed, ms, firstFailure, covers }`, where `covers(url, offset)` says whether it ran that place; offsets are in
 * UTF-16 units. What it did the last time is kept in node_modules/.cache until one of the project's files that it ran changes.
 */
export async function coverageOf(file, root) {
  const kept = join(root, 'node_modules', '.cache', 'mutation', `${relative(root, file).replaceAll('/', '-')}.json`)
  const run = readKept(kept) ?? (await runCovered(file, root))
  if (run.passed) {
    mkdirSync(join(kept, '..'), { recursive: true })
    writeFileSync(kept, JSON.stringify(run))
  }
  const places = new Map(run.places)
  return { ...run, covers: (url, offset) => (places.get(url) ?? []).some(parts => countAt(parts, offset) > 0) }
}

function readKept(path) {
  try {
    const run = JSON.parse(readFileSync(path, 'utf8'))
    return run.digests.every(([url, digest]) => digestOf(url) === digest) ? run : undefined
  } catch {
    return undefined
  }
}

async function runCovered(file, root) {
  const directory = mkdtempSync(join(tmpdir(), 'mutation-'))
  try {
    const { passed, ms, firstFailure } = await runTest(file, { coverage: directory, timeoutMs: SLOWEST_TEST_MS })
    const places = readPlaces(directory, pathToFileURL(root).href)
    const digests = [...places.keys()].map(url => [url, digestOf(url)])
    return { passed, ms, firstFailure, places: [...places], digests }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

function readPlaces(directory, under) {
  const places = new Map()
  for (const name of readdirSync(directory)) {
    const { result } = JSON.parse(readFileSync(join(directory, name), 'utf8'))
    for (const { url, functions } of result) {
      if (!url.startsWith(`${under}/`) || url.includes('/node_modules/')) continue
      const runs = places.get(url) ?? []
      places.set(url, runs)
      runs.push(
        functions.flatMap(({ ranges }) =>
          ranges.map(({ startOffset, endOffset, count }) => [startOffset, endOffset, count]),
        ),
      )
    }
  }
  return places
}

function digestOf(url) {
  return createHash('sha256')
    .update(readFileSync(fileURLToPath(url)))
    .digest('hex')
}

/** The count of the innermost range around `offset`. */
function countAt(parts, offset) {
  let innermost
  for (const part of parts) {
    const [start, end] = part
    if (start > offset || end <= offset) continue
    if (!innermost || end - start <= innermost[1] - innermost[0]) innermost = part
  }
  return innermost?.[2] ?? 0
}
