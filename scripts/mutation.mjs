// npm run test:mutation -- [--integration] [--sample N [--seed N]] [--only TEXT] [--tests TEXT,…] [--verbose] [PACKAGE[/ROOM]…]: which small mistakes would
// the tests notice? Every mutant is one change in one compiled file; only the tests that run the changed place are asked. A mutant is noticed when
// they fail with it, and pass without it in the same process.
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { basename, dirname, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { examined, notices } from './mutation/asked.mjs'
import { allMutants, keyOf } from './mutation/package-mutants.mjs'
import { Runner } from './mutation/workers.mjs'
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
    verbose: { type: 'boolean', default: false },
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
// Workers have groups of their own, and are ended at the exit.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))
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
  const all = allMutants(folder).map((mutant, index) => ({ ...mutant, index }))
  const byRoom = new Map()
  for (const mutant of all) {
    if (onlyRoom !== undefined && mutant.room !== onlyRoom) continue
    if (!`${mutant.place} ${mutant.kind}`.includes(values.only)) continue
    byRoom.set(mutant.room, [...(byRoom.get(mutant.room) ?? []), mutant])
  }
  const directory = mkdtempSync(join(tmpdir(), 'mutation-'))
  const list = join(directory, 'mutants.json')
  writeFileSync(list, JSON.stringify(all))
  const anew = `${pathToFileURL(join(folder, 'build')).href}/`
  const runners = Array.from({ length: availableParallelism() }, () => new Runner(list, anew))
  try {
    const tests = await examinedTests(folder, runners)
    const counts = []
    for (const [room, mutants] of byRoom) {
      counts.push(await examineRoom(room === '' ? name : `${name}/${room}`, mutants, tests, runners))
    }
    return counts
  } finally {
    for (const runner of runners) runner.renew()
    rmSync(directory, { recursive: true })
  }
}

async function examineRoom(name, mutants, tests, runners) {
  const sample = sampleOf(mutants)
  const count = { name, total: mutants.length, examined: sample.length, killed: 0, survived: 0, equivalent: 0 }
  await shareOut(sample, runners, async (mutant, runner) => {
    const why = excused.get(mutant.key)
    const outcome = why === undefined ? await judge(mutant, tests, runner) : 'equivalent'
    count[outcome] += 1
    if (outcome === 'survived') console.log(`survived    ${mutant.place}  ${mutant.kind}: ${mutant.shown}`)
  })
  const { killed, examined, survived, equivalent } = count
  console.log(`${name}: ${killed} of ${examined} noticed, ${survived} survived, ${equivalent} equivalent`)
  return count
}

/** The tests that run the place: first those that have noticed most in its file for their time, then the fastest. */
async function judge(mutant, tests, runner) {
  const ranked = tests.flatMap(test => {
    const covering = test.covering(mutant.url, mutant.from)
    const ms = covering.reduce((sum, each) => sum + each.ms, 50)
    return covering.length > 0 ? [{ test, worth: (1 + 10 * (test.noticed.get(mutant.url) ?? 0)) / ms }] : []
  })
  for (const { test } of ranked.sort((a, b) => b.worth - a.worth)) {
    const failure = await notices(test, mutant, runner)
    if (failure === undefined) continue
    if (values.verbose)
      console.log(`noticed     ${mutant.place}  ${mutant.kind}: ${mutant.shown}  by ${basename(test.file)}, ${failure}`)
    test.noticed.set(mutant.url, (test.noticed.get(mutant.url) ?? 0) + 1)
    return 'killed'
  }
  return 'survived'
}

async function examinedTests(folder, runners) {
  const pattern = values.integration ? /\.(test|integration)\.js$/ : /\.test\.js$/
  const build = join(folder, 'build', 'test')
  const files = (existsSync(build) ? readdirSync(build) : [])
    .filter(name => pattern.test(name) && values.tests.split(',').some(text => name.includes(text)))
    .filter(name => existsSync(join(folder, 'test', name.replace(/js$/, 'ts'))))
  const tests = []
  await shareOut(files, runners, async (name, runner) => {
    const test = await examined(join(build, name), runner)
    if (test.failure === undefined) tests.push(test)
    else console.log(`left out: ${relative(root, test.file)} fails without a mutant: ${test.failure}`)
  })
  return tests
}

async function shareOut(items, runners, work) {
  const next = items.values()
  const workOn = async runner => {
    for (const item of next) await work(item, runner)
  }
  await Promise.all(runners.map(workOn))
}

/** By a hash of each with the seed: a greater sample holds the smaller one, and an edit elsewhere changes little. */
function sampleOf(mutants) {
  if (values.sample === undefined) return mutants
  const rank = ({ key }) => createHash('sha256').update(`${values.seed} ${key}`).digest('hex')
  const ranked = mutants.map(mutant => [rank(mutant), mutant]).sort(([a], [b]) => (a < b ? -1 : 1))
  return ranked.slice(0, Number(values.sample)).map(([, mutant]) => mutant)
}

function projectFolders() {
  const folders = ['packages', 'services'].flatMap(kind =>
    readdirSync(join(root, kind)).map(name => [name, join(root, kind, name)]),
  )
  return new Map(folders.filter(([name]) => name !== 'testing' && name !== 'demo'))
}
