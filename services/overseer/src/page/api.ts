// What the page asks its server.
import type { Session } from '@cuckoo-distributed/page/browser'
import type { DumpCause, DumpElsewhere, DumpResult, DumpsElsewhere, DumpText, SampleAnswer } from '../admin/wire.js'
import type { Details } from '../dumps/show.js'

/** Rejects with RequestError. The server is of the same build: its answers are of these types. */
export class Api {
  readonly #session: Session

  constructor(session: Session) {
    this.#session = session
  }

  async samples(what: string): Promise<SampleAnswer> {
    return (await this.#session.request(`api/samples?${new URLSearchParams({ what })}`)).json()
  }

  async causes(filters: Readonly<Record<string, string>>): Promise<DumpCause[]> {
    return (await this.#session.request(`api/dumps?${new URLSearchParams(filters)}`)).json()
  }

  async elsewhere(filters: Readonly<Record<string, string>>): Promise<DumpsElsewhere> {
    return (await this.#session.request(`api/elsewhere?${new URLSearchParams(filters)}`)).json()
  }

  async detailsElsewhere(name: string): Promise<DumpElsewhere> {
    return (await this.#session.request(`api/elsewhere/${encodeURIComponent(name)}`)).json()
  }

  async details(name: string): Promise<Details> {
    return (await this.#session.request(`api/dumps/${encodeURIComponent(name)}`)).json()
  }

  async text(name: string): Promise<DumpText> {
    return (await this.#session.request(`api/dumps/${encodeURIComponent(name)}/text`)).json()
  }

  /** Resolves with whether it was changed. */
  async edit(name: string, text: DumpText): Promise<boolean> {
    const path = `api/dumps/${encodeURIComponent(name)}/text`
    const { isChanged } = await (await this.#session.request(path, json('PUT', text))).json()
    return isChanged === true
  }

  /** Each result as it comes. */
  async *work(action: 'resubmit' | 'delete', names: readonly string[], to?: string): AsyncGenerator<DumpResult> {
    const { body } = await this.#session.request(`api/${action}`, json('POST', { names, ...(to && { to }) }))
    if (body === null) return
    const reader = body.pipeThrough(new TextDecoderStream()).getReader()
    let rest = ''
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const lines = (rest + part.value).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) yield JSON.parse(line)
    }
  }
}

function json(method: string, value: unknown): RequestInit {
  return { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) }
}
