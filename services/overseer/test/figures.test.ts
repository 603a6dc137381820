import assert from 'node:assert/strict'
import { rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { dumpFigures } from '../src/figures.js'
import { temporaryDir } from './support.js'

const DIGEST = 'a'.repeat(32)

test('dumps of this suite and of the Go suite count with their age, and other files do not', async t => {
  const dir = await temporaryDir(t)
  const read = async () => {
    const readings = await Promise.all(
      dumpFigures(dir).map(async figure => [figure.name, await figure.read()] as const),
    )
    return Object.fromEntries(readings)
  }
  assert.deepEqual(await read(), { dumps: 0, oldest_dump_timestamp_seconds: undefined })
  await writeFile(join(dir, `20260105T101112.500Z-${DIGEST}.json`), '{}')
  await writeFile(join(dir, `20260105T101113.000Z-${DIGEST}.json`), '{}')
  await writeFile(join(dir, 'notes.txt'), '')
  const newest = Date.UTC(2026, 0, 5, 10, 11, 12, 500) / 1000
  assert.deepEqual(await read(), { dumps: 2, oldest_dump_timestamp_seconds: newest })
  const old = join(dir, '1451606400_1')
  await writeFile(old, '{}')
  await utimes(old, 1_451_606_400, 1_451_606_400)
  assert.deepEqual(await read(), { dumps: 3, oldest_dump_timestamp_seconds: 1_451_606_400 })
  await rm(old)
  assert.deepEqual(await read(), { dumps: 2, oldest_dump_timestamp_seconds: newest })
})
