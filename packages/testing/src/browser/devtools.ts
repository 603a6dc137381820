/** The DevTools protocol over a pair of pipes (`--remote-debugging-pipe`): JSON texts with a null byte after each. */
import type { Readable, Writable } from 'node:stream'

const ANSWER_MS = 120_000

type Fields = Readonly<Record<string, unknown>>
type Listener = (fields: Fields) => void

export class DevToolsError extends Error {
  override readonly name = 'DevToolsError'
  readonly code = 'DEVTOOLS'
}

export class DevTools {
  readonly #output: Writable
  readonly #waiting = new Map<number, { resolve: (result: Fields) => void; reject: (error: Error) => void }>()
  readonly #listeners = new Map<string, Listener>()
  #lastId = 0

  constructor(input: Readable, output: Writable) {
    this.#output = output
    let text = ''
    input.setEncoding('utf8')
    input.on('data', (part: string) => {
      const messages = (text + part).split('\0')
      text = messages.pop() ?? ''
      for (const message of messages) this.#take(JSON.parse(message))
    })
    input.on('close', () => this.#end(new DevToolsError('the browser has ended')))
    output.on('error', () => {})
  }

  /** Resolves with the result; rejects with DevToolsError, also after a minute without one. */
  send(method: string, params: Fields = {}, sessionId?: string): Promise<Fields> {
    this.#lastId += 1
    const id = this.#lastId
    this.#output.write(`${JSON.stringify({ id, method, params, sessionId })}\0`)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => settle(new DevToolsError(`${method} was not answered`)), ANSWER_MS)
      const settle = (outcome: Fields | Error) => {
        clearTimeout(timer)
        this.#waiting.delete(id)
        if (outcome instanceof Error) reject(outcome)
        else resolve(outcome)
      }
      this.#waiting.set(id, { resolve: settle, reject: settle })
    })
  }

  /** Calls `listener` with what this event of a session carries, and nobody else. */
  on(event: string, sessionId: string, listener: Listener): void {
    this.#listeners.set(`${sessionId} ${event}`, listener)
  }

  #take(message: {
    id?: number
    method?: string
    sessionId?: string
    params?: Fields
    result?: Fields
    error?: Fields
  }) {
    if (message.id === undefined) {
      this.#listeners.get(`${message.sessionId} ${message.method}`)?.(message.params ?? {})
      return
    }
    const waiting = this.#waiting.get(message.id)
    if (message.error === undefined) waiting?.resolve(message.result ?? {})
    else waiting?.reject(new DevToolsError(JSON.stringify(message.error)))
  }

  #end(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error)
  }
}
