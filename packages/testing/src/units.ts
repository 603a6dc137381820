// A configuration's numbers, each shown by what it does: how much of a unit, and not one less.
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'

interface Schema {
  readonly properties: Readonly<Record<string, unknown>>
}

/** A test of what a key does, or the reason why there is none. */
export type UnitRow = ((t: TestContext) => void | Promise<void>) | { readonly untested: string }

export interface UnitTable {
  readonly rows: Readonly<Record<string, UnitRow>>
  /** Keys of a package that has a table of its own, with their schemas. */
  readonly ofPackages?: Readonly<Record<string, unknown>>
}

/** One test for each key that holds numbers, and one that no such key is without a row, nor a row without its key. */
export function testUnits(name: string, schema: Schema, { rows, ofPackages = {} }: UnitTable): void {
  test(`every number in the configuration of ${name} has its row`, () => {
    const own = Object.entries(schema.properties).filter(
      ([key, property]) => holdsNumber(property) && !isDeepStrictEqual(property, ofPackages[key]),
    )
    assert.deepEqual(Object.keys(rows).sort(), own.map(([key]) => key).sort())
  })
  for (const [key, row] of Object.entries(rows)) {
    if (typeof row === 'function') test(`${name}: the unit of ${key}`, row)
  }
}

/** In a list and among alternatives as well. */
function holdsNumber(property: unknown): boolean {
  if (typeof property !== 'object' || property === null) return false
  if (Array.isArray(property)) return property.some(holdsNumber)
  return Object.entries(property).some(([keyword, value]) => {
    if (keyword === 'type') return value === 'integer' || value === 'number'
    if (keyword === 'const') return typeof value === 'number'
    return ['items', 'anyOf', 'patternProperties', 'additionalProperties'].includes(keyword) && holdsInside(value)
  })
}

function holdsInside(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return holdsNumber(value) || Object.values(value).some(holdsNumber)
}

export interface FakeClock {
  /** Lets what is at work come to rest, then so many milliseconds pass, then what became due. */
  pass(ms: number): Promise<void>
}

/** Timers, dates and `performance.now` stand still until `pass`. */
export function fakeClock(t: TestContext): FakeClock {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: Date.UTC(2026, 0, 5) })
  const started = Date.now()
  t.mock.method(performance, 'now', () => Date.now() - started)
  return {
    async pass(ms) {
      await atRest()
      t.mock.timers.tick(ms)
      await atRest()
    },
  }
}

/** Nothing that these tests wait for takes more turns of the event loop, but for work on files, which takes its time on a busy machine. */
async function atRest(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) {
    await new Promise(resolve => setImmediate(resolve))
    // `CloseReq`: of a file handle.
    if (process.getActiveResourcesInfo().some(name => name.startsWith('FSReq') || name === 'CloseReq')) turn = 0
  }
}

/** The command line of this process names a file with this configuration until the test ends. */
export async function startedWith(t: TestContext, config: object): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'units-'))
  const { argv, exitCode } = process
  t.after(async () => {
    process.argv = argv
    process.exitCode = exitCode
    await rm(folder, { recursive: true })
  })
  const file = join(folder, 'service.conf.json')
  await writeFile(file, JSON.stringify(config))
  process.argv = [process.execPath, argv[1] ?? '', '--config', file]
}
