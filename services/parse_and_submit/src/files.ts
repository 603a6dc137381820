// The files of an analysis beside its report: dropped ones, payloads, process dumps, the capture, pictures of the screen.
import type { ArchiveEntry } from '@cuckoo-distributed/archive'
import { errorCode, isSharedCause } from '@cuckoo-distributed/core'
import { HttpError, ServerAwayError } from '@cuckoo-distributed/http'
import { type Artifact, isAboutOneCall } from '@cuckoo-distributed/sandbox-client'
import { readFile, type StagedFile, stageEntry } from '@cuckoo-distributed/staging'
import { type Analysis, mayBeSample, partsOf, type Round, WrongSampleError } from './analysis.js'
import { eachEntry, fetchFile } from './archive.js'
import { download, isDoubtful, tell } from './calls.js'
import { CAPTURE, DROPPED, type FileKind, payloadKind, SCREENSHOT } from './file-kinds.js'
import { FilePass } from './file-pass.js'
import { readReport, whyMissing } from './report.js'
import { isHash, type StoredFiles } from './stored-files.js'

/** A file of this size stays in memory, a larger one goes through the disk. */
const MEMORY_BYTES = 1024 ** 2

/** The header of a capture, without a packet (`the-tcpdump-group/libpcap:pcap/pcap.h`). */
const EMPTY_CAPTURE_BYTES = 24

const FILE_PARSERS = ['dropped', 'payloads', 'procdump', 'pcap', 'screenshots'] as const

/** What each part of the work needs. */
interface Files {
  readonly round: Round
  readonly pass: FilePass
  readonly memory: Buffer
  stored: StoredFiles | undefined
}

/**
 * Sends every file that is wanted to CRITs once, and adds a row for every name of a file that CRITs has then. A file that
 * CRITs refuses is named in CRITs' log and does not stop the others; nor does what the sandbox has and cannot send, the archive of
 * dropped files excepted.
 *
 * @returns false when files are left that are to be tried again later (`Progress.due`)
 * @throws TaskGoneError, WrongSampleError, ServiceError (NO_REPORT), ArchivePasswordError, UploadsRefusedError, HttpError,
 *   ArchiveError, StagingError
 */
export async function submitFiles(round: Round): Promise<boolean> {
  const wanted = FILE_PARSERS.filter(parser => round.config.EnabledParsers.includes(parser))
  if (wanted.length === 0) return true
  const asked = round.isSampleKnown ? undefined : await requireTask(round)
  const pass = new FilePass(round)
  const memory = Buffer.allocUnsafeSlow(MEMORY_BYTES)
  let stored = round.stored ?? asked
  for (const part of await partsWithResults(round)) {
    const files: Files = { round: part, pass, memory, stored }
    for (const parser of wanted) await WORK[parser](files)
    // What the report of one task says is not known of the others, unless all were read.
    stored = round.stored
  }
  return pass.end()
}

/** Of several tasks some may have failed; those without a report have no other files either. */
async function partsWithResults(round: Round): Promise<Round[]> {
  const { reported, cuckoo, context } = round
  const parts = partsOf(round)
  if (parts.length === 1) return parts
  if (reported !== undefined) return parts.filter(({ task }) => reported.includes(task.taskId))
  const found: Round[] = []
  for (const part of parts) {
    const view = await download(part, () => cuckoo.client.viewTask(part.task.taskId, context.working))
    if (view?.phase === 'reported') found.push(part)
    else await tell(round, 'warning', `task ${part.task.taskId} is ${view?.status ?? 'gone'}: its files are left out`)
  }
  if (found.length === 0) throw await whyMissing(round, 'files')
  return found
}

const WORK: Readonly<Record<(typeof FILE_PARSERS)[number], (files: Files) => Promise<void>>> = {
  dropped,
  payloads: files => payloads(files, 'payloads', 'payload'),
  procdump: files => payloads(files, 'procdump', 'procdump'),
  pcap,
  screenshots,
}

/**
 * An instance that parses only files sees no report; whose files they are is known from the task as well. Of a file
 * that CAPE took out of the sample only the report says where it comes from.
 */
async function requireTask(analysis: Analysis): Promise<StoredFiles | undefined> {
  const { task, context, cuckoo } = analysis
  const view = await download(analysis, () => cuckoo.client.viewTask(task.taskId, context.working))
  if (!view?.md5 || mayBeSample(analysis, view.md5)) return undefined
  const { rows } = await readReport(analysis)
  if (!rows.target?.md5) throw new WrongSampleError(task, view.md5)
  return rows.stored
}

async function dropped(files: Files): Promise<void> {
  const { round, pass } = files
  const { client } = round.cuckoo
  pass.begin(DROPPED)
  const ask = (signal: AbortSignal) => client.dropped(round.task.taskId, { compression: 'gz' }, signal)
  const fetched = await fetchFile(round, ask)
  if (fetched === undefined) throw await whyMissing(round, 'archive of dropped files')
  if (fetched === 'none') return
  await using archive = fetched
  const md5s = new Map<string, string>()
  await eachEntry(round, archive, async entry => {
    if (entry.secondNameOf !== undefined) {
      const md5 = md5s.get(entry.secondNameOf)
      if (md5 !== undefined) pass.takeName({ name: entry.name, md5 }, DROPPED)
      return
    }
    if (isHash(entry.name)) files.stored ??= (await readReport(round)).rows.stored
    md5s.set(entry.path, await take(files, entry, DROPPED, files.stored?.droppedName(entry.name)))
  })
}

async function payloads(files: Files, artifact: Artifact, kind: 'payload' | 'procdump'): Promise<void> {
  const what = payloadKind(kind, files.stored)
  files.pass.begin(what)
  const fetched = await fetchArtifact(files, artifact, `the archive of ${what.plural}`)
  if (fetched === undefined) return
  await using archive = fetched
  await eachEntry(files.round, archive, async entry => {
    if (entry.secondNameOf === undefined) await take(files, entry, what)
  })
}

async function pcap(files: Files): Promise<void> {
  const { round, pass } = files
  pass.begin(CAPTURE)
  const fetched = await fetchArtifact(files, 'pcap', 'the capture')
  if (fetched === undefined) return
  await using capture = fetched
  if (capture.size <= EMPTY_CAPTURE_BYTES) {
    // All of these are the same file, which would relate samples that have nothing in common.
    await tell(round, 'info', 'the capture holds no packet and is left out')
    return
  }
  const stream = () => readFile(capture.fd, round.context.working)
  await take(files, { name: 'dump.pcap', stream }, CAPTURE)
}

async function screenshots(files: Files): Promise<void> {
  files.pass.begin(SCREENSHOT)
  const fetched = await fetchArtifact(files, 'screenshots', 'the archive of screenshots')
  if (fetched === undefined) return
  await using archive = fetched
  const names: string[] = []
  await eachEntry(files.round, archive, async ({ name }) => void names.push(name))
  // In no order, and `0001_small.jpg` is the first one again: cuckoosandbox/cuckoo:cuckoo/processing/screenshots.py.
  const shots = names.filter(name => /\.(jpe?g|png|bmp)$/i.test(name) && !/_small\.\w+$/i.test(name)).sort()
  for (const shot of new Set(shots.slice(0, files.round.config.ScreenshotsMax))) {
    await eachEntry(files.round, archive, async entry => {
      if (entry.name === shot) await take(files, entry, SCREENSHOT)
    })
  }
}

/** Resolves with the MD5. */
async function take(
  { round, pass, memory }: Files,
  entry: Pick<ArchiveEntry, 'name' | 'stream'>,
  kind: FileKind,
  name = entry.name,
): Promise<string> {
  await using staged = await stageEntry(entry, round.tmpDir, memory)
  const { size, md5 } = staged
  await pass.take({ name, size, md5, open: () => staged.open() }, kind)
  return md5
}

/** Undefined: the sandbox has nothing of the kind, or does not send it; CRITs' log says why, and the other files go on. */
async function fetchArtifact(
  { round, pass }: Files,
  artifact: Artifact,
  what: string,
): Promise<StagedFile | undefined> {
  const { cuckoo, context, task } = round
  const part = `${task.taskId} ${artifact}`
  if (pass.isSkipped(part)) return undefined
  try {
    const ask = (signal: AbortSignal) => cuckoo.client.artifact(task.taskId, artifact, signal)
    const fetched = await fetchFile(round, ask, error => !(error instanceof ServerAwayError) && isDoubtful(error))
    if (fetched === undefined) throw await whyMissing(round, what)
    return fetched === 'none' ? undefined : fetched
  } catch (error: unknown) {
    if (!isAboutArtifact(error)) throw error
    context.log.info({ err: error }, 'a part of an analysis could not be downloaded; it is left out')
    pass.skip(part)
    await tell(round, 'warning', `${what} could not be downloaded: ${error.message}`)
    return undefined
  }
}

/** The sandbox said no to this, or failed at it while it was well. What every other call would meet is no matter of this one. */
function isAboutArtifact(error: unknown): error is Error {
  if (!(error instanceof Error) || error instanceof ServerAwayError) return false
  if (error instanceof HttpError) return !isSharedCause(error)
  return isAboutOneCall(error) || errorCode(error) === 'NO_REPORT'
}
