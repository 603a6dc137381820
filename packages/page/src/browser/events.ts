import { RequestError, type Session } from './session.js'

const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 10_000
/** Servers send a comment every fifteen seconds. */
const SILENCE_MS = 45_000
/** Characters of an event that has not ended. */
const LONGEST_EVENT = 2 ** 24

export interface Following {
  readonly path: string
  readonly signal: AbortSignal
  readonly take: (name: string, data: unknown) => void
}

/**
 * Reads server-sent events, and connects again whenever that ends, until the signal says so; never rejects. An EventSource would do, but
 * can send no Authorization header. While the server wants another token it waits for one.
 */
export async function followEvents(session: Session, { path, signal, take }: Following): Promise<void> {
  let pauseMs = FIRST_PAUSE_MS
  while (!signal.aborted) {
    if (session.connection.state !== 'token') {
      try {
        await readOnce(session, {
          path,
          signal,
          take: (name, data) => {
            pauseMs = FIRST_PAUSE_MS
            take(name, data)
          },
        })
      } catch (error: unknown) {
        // The session has told what is wrong with the server; whatever else ends a stream is mended by another one.
        if (!(error instanceof RequestError)) console.debug(error)
      }
    }
    await pause(session.connection.state === 'token' ? FIRST_PAUSE_MS : pauseMs, signal)
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
  }
}

async function readOnce(session: Session, { path, signal, take }: Following): Promise<void> {
  const controller = new AbortController()
  const either = AbortSignal.any([signal, controller.signal])
  let watch = 0
  const listen = () => {
    clearTimeout(watch)
    watch = setTimeout(() => controller.abort(), SILENCE_MS)
  }
  listen()
  try {
    const { body } = await session.request(path, { signal: either, headers: { accept: 'text/event-stream' } })
    if (body === null) return
    const reader = body.pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      listen()
      const blocks = (text + part.value).split('\n\n')
      text = blocks.pop() ?? ''
      if (text.length > LONGEST_EVENT) throw new RangeError('an event is too long')
      for (const block of blocks) takeBlock(block, take)
    }
  } finally {
    clearTimeout(watch)
    controller.abort()
  }
}

function takeBlock(block: string, take: Following['take']): void {
  const fields = new Map(
    block.split('\n').map(line => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon), line.slice(colon + 1).trimStart()] as const
    }),
  )
  const data = fields.get('data')
  if (data !== undefined) take(fields.get('event') ?? 'message', JSON.parse(data))
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, milliseconds)
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer)
        resolve()
      },
      { once: true },
    )
  })
}
