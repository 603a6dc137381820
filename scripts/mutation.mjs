// npm run test:mutation -- [--integration] [--sample N [--seed N]] [--only TEXT] [--tests TEXT,…] [PACKAGE[/ROOM]…]: which small mistakes would
// the tests notice? Every mutant is one change in one compiled file; only the tests that run the changed place are asked.
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { availableParallelism } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { coverageOf } from './mutation/coverage.mjs'
import { mutantsOf } from './mutation/mutants.mjs'
import { runTest } from './mutation/run-test.mjs'
import { withBroker } from './with-broker.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sample: { type: 'string' },
    seed: { type: 'string', default: '1' },
    tests: { type: 'string', default: '' },
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
const wanted = (positionals.length > 0 ? positionals : [...known.keys()]).map(name => name.split('/', 2))
const unknown = wanted.filter(([name]) => !known.has(name))
if (unknown.length > 0) {
  console.error(
    `no such package: ${unknown.map(([name]) => name).join(', ')}; there are ${[...known.keys()].join(', ')}`,
  )
  process.exit(2)
}
const rows = []
const examineAll = async () => {
  for (const [name, room] of wanted) rows.push(...(await examine(name, room)))
}
await (values.integration ? withBroker(examineAll) : examineAll())
if (values.sample !== undefined) console.log(`\nsample of ${values.sample} in each row, seed ${values.seed}`)
console.log(
  '\n| room | examined | noticed | survived | equivalent | noticed of the rest |\n|---|---:|---:|---:|---:|---:|',
)
for (const { name, total, examined, killed, survived, equivalent } of rows) {
  const share = examined === equivalent ? 100 : (100 * killed) / (examined - equivalent)
  const some = examined === total ? total : `${examined} of ${total}`
  console.log(`| ${name} | ${some} | ${killed} | ${survived} | ${equivalent} | ${share.toFixed(1)} % |`)
}
process.exitCode = rows.every(({ survived }) => survived === 0) ? 0 : 1

/** A row for each folder of its source, or for the one that is asked for. */
async function examine(name, onlyRoom) {
  const folder = known.get(name)
  const byRoom = new Map()
  for (const mutant of allMutants(folder)) {
    if (onlyRoom !== undefined && mutant.room !== onlyRoom) continue
    if (!`${mutant.place} ${mutant.kind}`.includes(values.only)) continue
    byRoom.set(mutant.room, [...(byRoom.get(mutant.room) ?? []), mutant])
  }
  const tests = await coveredTests(folder)
  const counts = []
  for (const [room, mutants] of byRoom) {
    counts.push(await examineRoom(room === '' ? name : `${name}/${room}`, mutants, tests))
  }
  return counts
}

async function examineRoom(name, mutants, tests) {
  const sample = sampleOf(mutants)
  const count = { name, total: mutants.length, examined: sample.length, killed: 0, survived: 0, equivalent: 0 }
  const next = sample.values()
  const work = async () => {
    for (const mutant of next) {
      const why = excused.get(mutant.key)
      const outcome = why === undefined ? await judge(mutant, tests) : 'equivalent'
      count[outcome] += 1
      if (outcome === 'survived') console.log(`survived    ${mutant.place}  ${mutant.kind}: ${mutant.shown}`)
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, work))
  const { killed, examined, survived, equivalent } = count
  console.log(`${name}: ${killed} of ${examined} noticed, ${survived} survived, ${equivalent} equivalent`)
  return count
}

/** The tests that run the place: first those that have noticed most in its file for their time, then the fastest. */
async function judge({ url, start, end, replacement, from }, tests) {
  const worth = ({ noticed, ms }) => (1 + 10 * (noticed.get(url) ?? 0)) / ms
  for (const test of tests.filter(({ covers }) => covers(url, from)).sort((a, b) => worth(b) - worth(a))) {
    const timeoutMs = 3 * test.ms + 10_000
    const { passed } = await runTest(test.file, { mutant: { url, start, end, replacement }, timeoutMs })
    if (passed) continue
    test.noticed.set(url, (test.noticed.get(url) ?? 0) + 1)
    return 'killed'
  }
  return 'survived'
}

async function coveredTests(folder) {
  const pattern = values.integration ? /\.(test|integration)\.js$/ : /\.test\.js$/
  const build = join(folder, 'build', 'test')
  const files = existsSync(build) ? readdirSync(build).filter(file => pattern.test(file)) : []
  const tests = []
  for (const name of files) {
    if (
      !values.tests.split(',').some(text => name.includes(text)) ||
      !existsSync(join(folder, 'test', name.replace(/js$/, 'ts')))
    )
      continue
    const file = join(build, name)
    const { passed, ms, firstFailure, covers } = await coverageOf(file, root)
    if (passed) tests.push({ file, ms, covers, noticed: new Map() })
    else console.log(`left out: ${relative(root, file)} fails without a mutant: ${firstFailure}`)
  }
  return tests
}

function allMutants(folder) {
  return compiledFiles(join(folder, 'build', 'src')).flatMap(file => {
    const source = readFileSync(file, 'utf8')
    const map = new SourceMap(JSON.parse(readFileSync(`${file}.map`, 'utf8')))
    const lines = lineStarts(source)
    const counts = new Map()
    return mutantsOf(source).flatMap(mutant => {
      const { start, end, replacement, kind, from } = mutant
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
      const room = dirname(relative(join(folder, 'build', 'src'), file)).replace(/^\.$|\/.*$/, '')
      return { url: pathToFileURL(file).href, start, end, replacement, kind, from, place, shown, key, room }
    })
  })
}

/** Survives edits elsewhere in the file: what was changed into what, and which of several such places. */
function keyOf({ file, kind, code, nth = 0 }) {
  return JSON.stringify([file, kind, code, nth])
}

/** By a hash of each with the seed: a greater sample holds the smaller one, and an edit elsewhere changes little. */
function sampleOf(mutants) {
  if (values.sample === undefined) return mutants
  const rank = ({ key }) => createHash('sha256').update(`${values.seed} ${key}`).digest('hex')
  const ranked = mutants.map(mutant => [rank(mutant), mutant]).sort(([a], [b]) => (a < b ? -1 : 1))
  return ranked.slice(0, Number(values.sample)).map(([, mutant]) => mutant)
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
