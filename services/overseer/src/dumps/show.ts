// One dump in words: what happened at each try, and the message without its secrets.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { counted, InvalidMessageError, timeOf } from '@cuckoo-distributed/core'
import { decodeDump } from '../dump-file.js'
import { adviceFor } from './causes.js'
import type { Dump } from './envelope.js'
import { MessageText } from './message-text.js'
import { subjectOf } from './select.js'

/** Everything about a dump that may be shown. Throws the errors of the file system. */
export async function detailsOf(dir: string, dump: Dump) {
  const { name, file, bytes, at, failed, sending } = dump
  const { crits, taskId } = (await subjectOf(dir, dump)) ?? {}
  return {
    name,
    bytes,
    failedAt: new Date(at).toISOString(),
    inHands: file !== name,
    ...(failed ?? {}),
    advice: adviceFor(failed?.code),
    sending,
    taskId,
    analysis: crits && {
      analysisId: crits.analysisId,
      md5: crits.md5,
      objectType: crits.objectType,
      objectId: crits.objectId,
      username: crits.username,
      source: crits.source,
    },
    message: await messageOf(join(dir, file)),
  }
}

export type Details = Awaited<ReturnType<typeof detailsOf>>

/** For a terminal, line by line: texts in them may hold ends of lines of their own. */
export function inWords(details: Details): string[] {
  const {
    name,
    bytes,
    service,
    queue,
    code,
    error,
    attempts,
    history = [],
    resubmissions,
    sending,
    analysis,
    taskId,
  } = details
  return [
    `${name}, ${bytes} bytes${details.inHands ? ', in use by another process' : ''}`,
    ...(service === undefined
      ? ['not a failed message']
      : [
          `failed   ${details.failedAt} in ${service}, from queue ${queue}${attempts === undefined ? '' : `, after ${counted(attempts, 'attempt')}`}`,
          `code     ${code}`,
          `error    ${error}`,
        ]),
    `to do    ${details.advice}`,
    ...(analysis === undefined
      ? []
      : [
          `analysis ${analysis.analysisId}, ${analysis.objectType} ${analysis.md5 || analysis.objectId}, user ${analysis.username}${taskId === undefined ? '' : `, task ${taskId}`}`,
        ]),
    ...(sending === undefined
      ? []
      : [
          `sent?    a resubmission by ${sending.by} ${sending.at} has not finished: the message may be in ${sending.queue}`,
        ]),
    ...history.map(entry => `attempt  ${entry.at} ${entry.service}: ${entry.error}`),
    ...(resubmissions === undefined
      ? []
      : [
          `resubmitted ${resubmissions.count} times; the last: ${resubmissions.last.map(({ at, by }) => `${at} by ${by}`).join(', ')}`,
        ]),
    ...(details.message === undefined ? [] : ['message', ...details.message.split('\n')]),
  ]
}

/** A line for a list. */
export function inOneLine({ name, file, at, bytes, failed, sending }: Dump): string {
  const state = sending ? ' sent?' : file === name ? '' : ' in use'
  const what = failed ? `${failed.service} ${failed.code} → ${failed.queue}` : 'not a failed message'
  return `${name}  ${timeOf(at)}  ${bytes}${state}  ${what}`
}

async function messageOf(path: string): Promise<string | undefined> {
  try {
    return new MessageText(decodeDump(await readFile(path)).body).readable
  } catch (error: unknown) {
    if (error instanceof InvalidMessageError) return undefined
    throw error
  }
}
