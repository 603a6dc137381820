// Indexes of days that are over: what one damaged run keeps from being merged, and what is said about it.
import assert from 'node:assert/strict'
import { appendFile, readdir, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Logger, PipelineEvent } from '@cuckoo-distributed/core'
import { waitFor } from '@cuckoo-distributed/testing'
import { Store } from '../src/journal/store.js'
import { silentLog, temporaryDir } from './support.js'

const DAY = 86_400_000
const START = Date.UTC(2026, 0, 5)
const retention = { days: 30, bytes: Number.POSITIVE_INFINITY }

function event(seq: number): PipelineEvent {
  const origin = { at: START + seq, service: 'feed_cuckoo', instance: 'host:1.abc', seq }
  return { ...origin, event: 'received', queue: 'feed', analysis: `analysis-${seq}`, task: seq }
}

test('a run that is damaged is told once, the day of another file is merged all the same, and so is its own when it is whole again', async t => {
  const dir = await temporaryDir(t)
  const lines: { level: string; msg: string; cause?: string }[] = []
  const log: Logger = Object.assign(Object.create(silentLog), {
    warn: (fields: { cause: string }, msg: string) => void lines.push({ level: 'warning', msg, ...fields }),
    info: (msg: string) => void lines.push({ level: 'info', msg }),
  })
  const indexes = async () => (await readdir(dir)).filter(name => name.endsWith('.idx'))
  // What stands behind the end of an index is a second run when the next process has begun.
  for (const [day, seq] of [
    [START, 1],
    [START + DAY, 3],
  ] as const) {
    {
      await using store = new Store({ dir, retention, log, now: () => day })
      await store.append([event(seq)])
    }
    const [journal = ''] = (await readdir(dir))
      .filter(name => name.endsWith('.jsonl'))
      .sort()
      .slice(-1)
    await appendFile(join(dir, journal), `${JSON.stringify(event(seq + 1))}\n`)
  }
  let now = START + 2 * DAY
  await using store = new Store({ dir, retention, log, now: () => now })
  const [damaged = ''] = (await indexes()).sort()
  const whole = await readFile(join(dir, damaged))
  await truncate(join(dir, damaged), 10)
  await store.append([event(5)])
  await waitFor(() => lines.length > 0, { describe: 'a line about the damaged run' })
  const [first] = lines
  assert.deepEqual(
    [first?.level, first?.msg],
    ['warning', 'indexes of the journal cannot be merged; searches take longer'],
  )
  assert.match(first?.cause ?? '', /^2026-01-05.* is damaged/)
  const secondDay = async () => (await indexes()).filter(name => name.startsWith('2026-01-06')).length === 1
  await waitFor(secondDay, { describe: 'one run for the second day' })

  now += DAY
  await store.append([event(6)])
  await writeFile(join(dir, damaged), whole)
  now += DAY
  await store.append([event(7)])
  await waitFor(() => lines.length > 1, { describe: 'a line that it works again' })
  assert.deepEqual(
    lines.map(({ level, msg }) => [level, msg]),
    [
      ['warning', 'indexes of the journal cannot be merged; searches take longer'],
      ['info', 'indexes of the journal can be merged again'],
    ],
  )
  const found = await store.find([{ task: 1 }, { task: 2 }])
  assert.deepEqual(
    found.events.map(({ task }) => task),
    [1, 2],
  )
})
