// The note beside a dump that somebody is about to publish it. Found without that somebody, it says that the message may have
// gone already: a kill between the broker's confirm and the removal of the dump leaves nothing else.
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode, parseJson, validator } from '@cuckoo-distributed/core'
import { writeDurably } from '@cuckoo-distributed/staging'
import Type, { type Static } from 'typebox'

export const MarkFile = Type.Object({
  /** ISO 8601 in UTC. */
  at: Type.String(),
  /** User and host. */
  by: Type.String(),
  /** Where it was sent to. */
  queue: Type.String(),
})
export type SendingMark = Static<typeof MarkFile>
const isMark = validator(MarkFile)

const MARK = /^\.sending-(?<dump>.+)$/

function markName(dump: string): string {
  return `.sending-${dump}`
}

/** The dump that a file is the mark of. */
export function dumpOfMark(file: string): string | undefined {
  return MARK.exec(file)?.groups?.dump
}

/** Undefined without one. A mark that cannot be read still says that the dump was being sent. */
export async function readMark(dir: string, dump: string): Promise<SendingMark | undefined> {
  try {
    const mark = parseJson(await readFile(join(dir, markName(dump))))
    if (isMark(mark)) return mark
  } catch (error: unknown) {
    if (errorCode(error) === 'ENOENT') return undefined
  }
  return { at: '', by: 'unknown', queue: '' }
}

/** Rejects with the error of the file system. */
export async function writeMark(dir: string, dump: string, mark: SendingMark): Promise<void> {
  await writeDurably(join(dir, markName(dump)), [Buffer.from(JSON.stringify(mark))])
}

export async function removeMark(dir: string, dump: string): Promise<void> {
  await rm(join(dir, markName(dump)), { force: true })
}
