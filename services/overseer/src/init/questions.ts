// What `overseer init` must know: each question is an option as well.
import { dirname, join, resolve } from 'node:path'
import { brokerAccount, describeError, directoryProblems, existingPart } from '@cuckoo-distributed/core'
import { urlProblems } from '@cuckoo-distributed/http'

export interface Question {
  /** The option; also what problems call it. */
  readonly name: string
  readonly text: string
  /** The answer of someone who gives none, for files in `dir`, after the questions before. */
  fallback?(dir: string, before: ReadonlyMap<string, string>): string
  readonly mayBeEmpty?: true
  /** What is wrong with an answer that is not empty. */
  problems?(answer: string): string[]
}

/** Where distributed_cuckoo listens. */
export const CLUSTER_PORT = 9003

const KINDS_OF_QUEUES = ['classic', 'quorum']

export const QUESTIONS = [
  {
    name: 'broker',
    text: 'RabbitMQ, amqp://USER:PASSWORD@HOST:PORT/VHOST; without a password one is made',
    fallback: () => 'amqp://cuckoo_distributed@127.0.0.1:5672',
    problems: brokerProblems,
  },
  {
    name: 'queue-type',
    text: 'Queues of RabbitMQ, classic or quorum; it cannot be changed later',
    fallback: () => 'classic',
    problems: answer => (KINDS_OF_QUEUES.includes(answer) ? [] : ['"queue-type" is classic or quorum']),
  },
  {
    name: 'cluster-dir',
    text: 'Directory for a distributed_cuckoo, which combines many sandboxes into one; empty = none',
    mayBeEmpty: true,
    problems: answer => directoryProblems({ 'cluster-dir': existingPart(resolve(answer)) }),
  },
  {
    name: 'cuckoo',
    text: 'Sandbox: the API of Cuckoo, http://HOST:8090, or of CAPE, http://HOST:8000/apiv2',
    fallback: (_, before) => (before.get('cluster-dir') ? `http://127.0.0.1:${CLUSTER_PORT}` : ''),
    problems: cuckoo => urlProblems({ cuckoo }),
  },
  { name: 'cuckoo-token', text: 'API token of the sandbox; empty = none', mayBeEmpty: true },
  {
    name: 'crits',
    text: 'CRITs, https://HOST',
    problems: crits => urlProblems({ crits }, { userInfo: 'refused' }),
  },
  {
    name: 'dump-dir',
    text: 'Directory for messages that are not retried any more',
    fallback: dir => join(dir, 'dump'),
    // Its parent is made with the files.
    problems: answer => directoryProblems({ 'dump-dir': existingPart(dirname(resolve(answer))) }),
  },
  {
    name: 'tmp-dir',
    text: 'Directory for temporary files (samples, archives); empty = that of the system',
    mayBeEmpty: true,
    problems: answer => directoryProblems({ 'tmp-dir': answer }),
  },
] as const satisfies readonly Question[]

/** The answer to each. */
export type Answers = (name: (typeof QUESTIONS)[number]['name']) => string

/** What is wrong with an answer, in words that name the option. */
export function answerProblems({ name, text, mayBeEmpty, problems }: Question, answer: string): string[] {
  if (answer === '') return mayBeEmpty ? [] : [`"${name}" is needed: ${text}`]
  return problems?.(answer) ?? []
}

function brokerProblems(url: string): string[] {
  try {
    brokerAccount(url)
    return []
  } catch (error: unknown) {
    return [describeError(error).replace('"Amqp"', '"broker"')]
  }
}
