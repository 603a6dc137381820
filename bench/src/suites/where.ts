// What became of a sample, out of a journal of thirty million lines: the whole command, and what its overseer does for it.
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { dayOf, journalFiles } from '@cuckoo-distributed/overseer/build/src/journal/files.js'
import { mergeOldRuns } from '@cuckoo-distributed/overseer/build/src/journal/merge-runs.js'
import { JournalWriter } from '@cuckoo-distributed/overseer/build/src/journal/writer.js'
import type { Bench } from '../bench.js'
import { type Beside, besideOverseer, overseerCommand } from '../command.js'
import { analysisOf, eventsOfDay, md5Of, SAMPLES_A_DAY, taskOf } from '../journal-lines.js'
import { median } from '../statistics.js'
import { atMost, short, type Table } from '../table.js'

const DAYS = 30
const DAY_MS = 86_400_000
const ROUNDS = 5

export async function where({ amqp }: Bench): Promise<Table[]> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-where-'))
  // A journal that is kept saves the minutes that it takes to write one.
  const journal = process.env.JOURNAL_DIR ?? join(folder, 'journal')
  await mkdir(journal, { recursive: true })
  if ((await readdir(journal)).length === 0) await writeJournal(journal)
  const keys = { DumpDir: folder, JournalDir: journal, JournalDays: 400 }
  try {
    return await besideOverseer(amqp, folder, keys, answers)
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function answers({ overseer, file }: Beside): Promise<Table[]> {
  const rows: string[][] = []
  for (const [title, what] of questions()) {
    const [wall, own, theirs]: [number[], number[], number[]] = [[], [], []]
    for (let round = 0; round < ROUNDS; round += 1) {
      const before = await overseer.cpu()
      const { seconds, cpu } = await overseerCommand('where', what, '--config', file)
      wall.push(seconds)
      own.push(cpu)
      theirs.push(((await overseer.cpu()) - before) / 1000)
    }
    const cells = [median(wall), Math.max(...wall), median(own), median(theirs)]
    rows.push([title, ...cells.map(short), atMost(median(wall), 1)])
  }
  const start = await overseerCommand('--version')
  return [
    {
      title: `One sample among ${(DAYS * SAMPLES_A_DAY) / 1e6} million, in ${DAYS} days of a million events each`,
      text: `\`overseer where\` from start to end, medians of ${ROUNDS}, beside the overseer that answers it. Of the CPU of the command ${short(start.cpu)} s are the start of the process.`,
      head: ['asked for', 'wall s', 'longest', 'CPU s of the command', 'of the overseer', 'met'],
      rows,
    },
  ]
}

function questions(): [title: string, what: string][] {
  const days = [
    ['the first day', 5],
    ['the middle', (DAYS * SAMPLES_A_DAY) / 2],
    ['the last day', DAYS * SAMPLES_A_DAY - 10],
  ] as const
  return [
    ...days.map(([day, sample]): [string, string] => [`MD5, ${day}`, md5Of(sample)]),
    ...days.map(([day, sample]): [string, string] => [`analysis, ${day}`, analysisOf(sample)]),
    ...days.map(([day, sample]): [string, string] => [`task, ${day}`, String(taskOf(sample))]),
    ['MD5, never seen', 'f'.repeat(32)],
  ]
}

async function writeJournal(dir: string): Promise<void> {
  const first = Math.floor(Date.now() / DAY_MS) * DAY_MS - DAYS * DAY_MS
  for (let day = 0; day < DAYS; day += 1) {
    let now = first + day * DAY_MS
    const retention = { days: 2 * DAYS, bytes: Number.POSITIVE_INFINITY }
    await using writer = new JournalWriter({ dir, retention, now: () => now })
    for (const events of eventsOfDay(day, now)) {
      now = events[0]?.at ?? now
      await writer.append(events)
    }
  }
  await mergeOldRuns(dir, dayOf(Date.now()), new AbortController().signal)
  if ((await journalFiles(dir)).length !== DAYS) throw new Error('a day has more than one file')
}
