// `overseer dumps list` over a DumpDir with two thousand dumps, as an overseer writes them.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeFailedMessage, readHeaders } from '@cuckoo-distributed/core'
import { dumpName, encodeDump } from '@cuckoo-distributed/overseer/build/src/dump-file.js'
import { readFailed } from '@cuckoo-distributed/overseer/build/src/failed-message.js'
import type { Bench } from '../bench.js'
import { type Beside, besideOverseer, overseerCommand } from '../command.js'
import { median } from '../statistics.js'
import { atMost, short, type Table } from '../table.js'

const COUNT = 2000
const ROUNDS = 5
const SAMPLE_BYTES = 50_000
const CODES = ['BAD_MESSAGE', 'TASK_GONE', 'NO_REPORT', 'CUCKOO_REFUSED', 'WRONG_SAMPLE']

export async function dumpsListed({ amqp }: Bench): Promise<Table> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-dumps-'))
  const dir = join(folder, 'dumps')
  await writeDumps(dir)
  try {
    return await besideOverseer(amqp, folder, { DumpDir: dir }, listings)
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function listings({ file }: Beside): Promise<Table> {
  const rows: string[][] = []
  for (const [title, ...args] of [
    ['by cause'],
    ['one line each', '--each'],
    ['those of one analysis', '--analysis', 'a1000'],
  ] as const) {
    const [wall, cpu]: [number[], number[]] = [[], []]
    for (let round = 0; round < ROUNDS; round += 1) {
      const took = await overseerCommand('dumps', 'list', ...args, '--config', file)
      wall.push(took.seconds)
      cpu.push(took.cpu)
    }
    rows.push([
      title,
      short(median(wall)),
      short(Math.max(...wall)),
      short(median(cpu)),
      args.length < 2 ? atMost(median(wall), 1) : '',
    ])
  }
  return {
    title: `${COUNT} dumps listed`,
    text: `\`overseer dumps list\` from start to end, medians of ${ROUNDS}, beside a running overseer. Each dump holds a sample of ${SAMPLE_BYTES / 1000} KB, which is read where an analysis is looked for.`,
    head: ['listed', 'wall s', 'longest', 'CPU s', 'met'],
    rows,
  }
}

async function writeDumps(dir: string): Promise<void> {
  await mkdir(dir)
  const headers = readHeaders({ 'x-attempts': 1, 'x-permanent': 1 })
  for (let index = 0; index < COUNT; index += 1) {
    const received = message(index)
    const failed = readFailed(received, headers)
    const content = Buffer.concat([...encodeDump(failed, headers)])
    await writeFile(join(dir, dumpName(failed.failedAt, received, 'json')), content)
  }
}

/** A failed message of feed_cuckoo with a sample, one of a few causes. */
function message(index: number): Buffer {
  const data = Buffer.alloc(SAMPLE_BYTES, `sample ${index}`).toString('base64')
  const crits_data = { analysis_id: `a${index}`, object_type: 'Sample', object_id: 'o', username: 'u', api_key: 'k' }
  const desc = CODES[index % CODES.length] ?? ''
  const failed = { service: 'feed_cuckoo', queue: 'work', error: `error ${index}`, desc, failedAt: at(index) }
  return encodeFailedMessage(failed, JSON.stringify({ payload: {}, file: { name: 'a', data }, crits_data }))
}

function at(index: number): string {
  return new Date(Date.UTC(2026, 0, 2) + index * 60_000).toISOString()
}
