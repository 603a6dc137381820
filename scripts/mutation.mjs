// npm run test:mutation -- [--integration] [--sample N] [--only TEXT] [PACKAGE…]: which small mistakes would the tests notice?
// Every mutant is one change in one compiled file; only the tests that run the changed place are asked.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { availableParallelism, tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { readCoverage } from './mutation/coverage.mjs'
import { mutantsOf } from './mutation/mutants.mjs'
import { runTest } from './mutation/run-test.mjs'
import { withBroker } from './with-broker.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const SLOWEST_TEST_MS = 5 * 60_000
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sample: { type: 'string' },
    only: { type: 'string', default: '' },
    integration: { type: 'boolean', default: false },
  },
})
const excused = new Map(
  JSON.parse(readFileSync(join(root, 'test', 'equivalent-mutants.json'), 'utf8')).map(entry => [
    keyOf(entry),
    entry.why,
  ]),
)

const known = projectFolders()
const wanted = positionals.length > 0 ? positionals : [...known.keys()]
const unknown = wanted.filter(name => !known.has(name))
if (unknown.length > 0) {
  console.error(`no such package: ${unknown.join(', ')}; there are ${[...known.keys()].join(', ')}`)
  process.exit(2)
}
const rows = []
const examineAll = async () => {
  for (const name of wanted) rows.push(await examine(name, known.get(name)))
}
await (values.integration ? withBroker(examineAll) : examineAll())
console.log(
  '\n| package | mutants | noticed | survived | equivalent | noticed of the rest |\n|---|---:|---:|---:|---:|---:|',
)
for (const row of rows) {
  const { name, total, killed, survived, equivalent } = row
  const share = total === equivalent ? 100 : (100 * killed) / (total - equivalent)
  console.log(`| ${name} | ${total} | ${killed} | ${survived} | ${equivalent} | ${share.toFixed(1)} % |`)
}
process.exitCode = rows.every(({ survived }) => survived === 0) ? 0 : 1

async function examine(name, folder) {
  const mutants = sampleOf(allMutants(folder).filter(mutant => `${mutant.place} ${mutant.kind}`.includes(values.only)))
  const tests = await coveredTests(folder)
  const count = { name, total: mutants.length, killed: 0, survived: 0, equivalent: 0 }
  const next = mutants.values()
  const work = async () => {
    for (const mutant of next) {
      const why = excused.get(mutant.key)
      const outcome = why === undefined ? await judge(mutant, tests) : 'equivalent'
      count[outcome] += 1
      if (outcome === 'survived') console.log(`survived    ${mutant.place}  ${mutant.kind}: ${mutant.shown}`)
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, work))
  console.log(
    `${name}: ${count.killed} of ${count.total} noticed, ${count.survived} survived, ${count.equivalent} equivalent`,
  )
  return count
}

/** The tests that run the place, the fastest first. */
async function judge({ url, start, end, replacement }, tests) {
  for (const { file, covers, ms } of tests) {
    if (!covers(url, start)) continue
    const timeoutMs = 3 * ms + 10_000
    const { passed } = await runTest(file, { mutant: { url, start, end, replacement }, timeoutMs })
    if (!passed) return 'killed'
  }
  return 'survived'
}

async function coveredTests(folder) {
  const pattern = values.integration ? /\.(test|integration)\.js$/ : /\.test\.js$/
  const build = join(folder, 'build', 'test')
  const files = existsSync(build) ? readdirSync(build).filter(file => pattern.test(file)) : []
  const tests = []
  for (const name of files) {
    if (!existsSync(join(folder, 'test', name.replace(/js$/, 'ts')))) continue
    const coverage = mkdtempSync(join(tmpdir(), 'mutation-'))
    const file = join(build, name)
    const { passed, ms, firstFailure } = await runTest(file, { coverage, timeoutMs: SLOWEST_TEST_MS })
    if (passed) tests.push({ file, ms, covers: readCoverage(coverage) })
    else console.log(`left out: ${relative(root, file)} fails without a mutant: ${firstFailure}`)
    rmSync(coverage, { recursive: true })
  }
  return tests.sort((a, b) => a.ms - b.ms)
}

function allMutants(folder) {
  return compiledFiles(join(folder, 'build', 'src')).flatMap(file => {
    const source = readFileSync(file, 'utf8')
    const map = new SourceMap(JSON.parse(readFileSync(`${file}.map`, 'utf8')))
    const lines = lineStarts(source)
    const counts = new Map()
    return mutantsOf(source).flatMap(mutant => {
      const { start, end, replacement, kind } = mutant
      const line = lines.findLastIndex(from => from <= start)
      const original = map.findEntry(line, start - lines[line])
      // What the compiler has added is not ours to test.
      if (original.originalSource === undefined) return []
      const path = relative(root, join(dirname(file), original.originalSource))
      const shown = source.slice(start, end).replace(/\s+/g, ' ').slice(0, 80)
      const same = `${path}\n${kind}\n${shown}`
      const nth = counts.get(same) ?? 0
      counts.set(same, nth + 1)
      const place = `${path}:${original.originalLine + 1}`
      const key = keyOf({ file: path, kind, code: shown, nth })
      return { url: pathToFileURL(file).href, start, end, replacement, kind, place, shown, key }
    })
  })
}

/** Survives edits elsewhere in the file: what was changed into what, and which of several such places. */
function keyOf({ file, kind, code, nth = 0 }) {
  return JSON.stringify([file, kind, code, nth])
}

function sampleOf(mutants) {
  if (values.sample === undefined) return mutants
  const step = Math.max(1, mutants.length / Number(values.sample))
  return Array.from(
    { length: Math.min(mutants.length, Number(values.sample)) },
    (_, i) => mutants[Math.floor(i * step)],
  )
}

function compiledFiles(folder) {
  return readdirSync(folder, { recursive: true })
    .filter(name => name.endsWith('.js') && existsSync(join(folder, '..', '..', 'src', name.replace(/js$/, 'ts'))))
    .filter(name => !name.startsWith('generated/'))
    .map(name => join(folder, name))
}

function lineStarts(source) {
  const starts = [0]
  for (let at = source.indexOf('\n'); at >= 0; at = source.indexOf('\n', at + 1)) starts.push(at + 1)
  return starts
}

function projectFolders() {
  const folders = ['packages', 'services'].flatMap(kind =>
    readdirSync(join(root, kind)).map(name => [name, join(root, kind, name)]),
  )
  return new Map(folders.filter(([name]) => name !== 'testing' && name !== 'demo'))
}
