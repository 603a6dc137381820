// Requests of undici, which tells of each on channels of its own (`nodejs/undici:docs/docs/api/DiagnosticsChannel.md`),
// so that no client needs to know of metrics.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'

/** Messages may name any server; further ones are counted together. */
const MOST_TARGETS = 50
const ANSWERED = 'undici:request:headers'
const FAILED = 'undici:request:error'

/** Class of a status, or `none` when there was no answer. */
export type CallResult = '1xx' | '2xx' | '3xx' | '4xx' | '5xx' | 'none'
const CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx'] as const

/** Calls `tell` for each request of this process, with the server as `host:port`. Returns what ends that. */
export function onHttpCalls(tell: (target: string, result: CallResult) => void): () => void {
  const targets = new Set<string>()
  const answered = new WeakSet<object>()
  const targetOf = (request: object) => {
    const target = hostOf('origin' in request ? String(request.origin) : '')
    if (targets.size < MOST_TARGETS) targets.add(target)
    return targets.has(target) ? target : 'other'
  }
  const onAnswer = (message: unknown) => {
    const request = partOf(message, 'request')
    const response = partOf(message, 'response')
    if (!request || !response || !('statusCode' in response)) return
    answered.add(request)
    tell(targetOf(request), CLASSES[Math.floor(Number(response.statusCode) / 100) - 1] ?? 'none')
  }
  // Also told of an answer that breaks off.
  const onFailure = (message: unknown) => {
    const request = partOf(message, 'request')
    if (request && !answered.has(request)) tell(targetOf(request), 'none')
  }
  subscribe(ANSWERED, onAnswer)
  subscribe(FAILED, onFailure)
  return () => {
    unsubscribe(ANSWERED, onAnswer)
    unsubscribe(FAILED, onFailure)
  }
}

function partOf(message: unknown, key: 'request' | 'response'): object | undefined {
  if (typeof message !== 'object' || message === null) return undefined
  const part: unknown = Object.entries(message).find(([name]) => name === key)?.[1]
  return typeof part === 'object' && part !== null ? part : undefined
}

function hostOf(origin: string): string {
  return URL.canParse(origin) ? new URL(origin).host : 'other'
}
