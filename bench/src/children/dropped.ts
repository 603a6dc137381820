// dropped.js unpack FILE | store URL | download URL: one step of the way that an archive of dropped files takes.
import { type FileHandle, open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { openArchive } from '@cuckoo-distributed/archive'
import { HttpClient } from '@cuckoo-distributed/http'
import { stageArchive, stageEntry } from '@cuckoo-distributed/staging'
import { residentMiB, tell } from '../usage.js'
import { download } from '../ways/download.js'

/** What `unpack` tells. */
export interface Unpacked {
  readonly files: number
  /** MiB before and at most. */
  readonly idle: number
  /** Milliseconds of event-loop delay, less the 5 between two looks. */
  readonly p99: number
}

async function unpack(path: string): Promise<Unpacked> {
  const idle = residentMiB('VmRSS')
  const resolution = 5
  const delay = monitorEventLoopDelay({ resolution })
  delay.enable()
  const memory = Buffer.allocUnsafeSlow(1024 ** 2)
  let files = 0
  const file: FileHandle = await open(path)
  for await (const entry of openArchive(file)) {
    const staged = await stageEntry(entry, tmpdir(), memory)
    for await (const chunk of staged.open()) if (chunk.length === 0) throw new RangeError('an empty chunk')
    await staged[Symbol.asyncDispose]()
    files++
  }
  await file.close()
  return { files, idle, p99: delay.percentile(99) / 1e6 - resolution }
}

async function store(url: string): Promise<number> {
  await using client = new HttpClient({ baseUrl: new URL(url), verifySsl: true })
  const response = await client.request({ method: 'GET', path: '/', signal: new AbortController().signal })
  const maxBytes = Number.POSITIVE_INFINITY
  const file = await stageArchive(response.stream(maxBytes), tmpdir(), { maxBytes })
  await file[Symbol.asyncDispose]()
  return file.size
}

const [, , step, argument = ''] = process.argv
const start = performance.now()
const result = await (step === 'unpack' ? unpack : step === 'store' ? store : download)(argument)
tell({ result, ms: performance.now() - start })
process.exit()
