// Dumps of other overseers: to be looked at here, and worked on where they are.
import { alertText, dataTable, html, localTime, nothing, type TemplateResult } from '@cuckoo-distributed/page/browser'
import type { DumpElsewhere, DumpsElsewhere } from '../admin/wire.js'
import { type Context, counted, messageOf, type View } from './view.js'

/** Every overseer is asked each time. */
const FRESH_MS = 15_000
/** Rows of one host. */
const MOST_ROWS = 200

/** The part of a list that other hosts have. */
export class ElsewherePart {
  readonly #context: Context
  #filters: Readonly<Record<string, string>> | undefined
  #askedAt = 0
  #answer: DumpsElsewhere = { places: [], problems: [] }

  constructor(context: Context) {
    this.#context = context
  }

  /** Does not reject. */
  async refresh(filters: Readonly<Record<string, string>>): Promise<void> {
    if (filters === this.#filters && Date.now() - this.#askedAt < FRESH_MS) return
    this.#filters = filters
    this.#askedAt = Date.now()
    const answer = await this.#context.api.elsewhere(filters).catch((error: unknown) => {
      return { places: [], problems: [messageOf(error)] }
    })
    if (filters !== this.#filters) return
    this.#answer = answer
    this.#context.changed()
  }

  show(): TemplateResult | typeof nothing {
    const { places, problems } = this.#answer
    if (places.length === 0 && problems.length === 0) return nothing
    return html`<section id="elsewhere" aria-label="On other hosts">
      <h3>On other hosts</h3>
      <p class="muted">To resubmit, edit or delete them, use <code>overseer dumps</code> or the page there.</p>
      ${problems.map(problem => html`<p class="muted">${problem}</p>`)}
      ${places.map(place => placeOf(place))}
    </section>`
  }
}

function placeOf({ place, causes }: DumpsElsewhere['places'][number]): TemplateResult {
  const rows = causes.flatMap(({ code, service, dumps }) => dumps.map(dump => ({ ...dump, code, service })))
  return html`<h4>${place}: ${counted(rows.length, 'dump')}</h4>
    ${dataTable({
      label: `Dumps in ${place}`,
      columns: [
        { title: 'Dump', cell: ({ name }) => html`<a href=${`#/elsewhere/${encodeURIComponent(name)}`}>${name}</a>` },
        { title: 'Cause', cell: ({ code, service }) => `${code}${service && ` in ${service}`}` },
        { title: 'Failed', cell: ({ at }) => localTime(at) },
        { title: 'Queue', cell: ({ queue }) => queue },
      ],
      rows: rows.slice(0, MOST_ROWS),
      key: ({ name }) => name,
      empty: '',
    })}
    ${rows.length > MOST_ROWS ? html`<p class="muted">and ${rows.length - MOST_ROWS} more: filter to see them</p>` : nothing}`
}

export class DumpElsewhereView implements View {
  readonly title: string
  readonly #context: Context
  readonly #name: string
  #answer: DumpElsewhere | undefined
  #problem = ''

  constructor(context: Context, name: string) {
    this.title = `Dump ${name}`
    this.#context = context
    this.#name = name
  }

  async refresh(): Promise<void> {
    if (this.#answer) return
    try {
      this.#answer = await this.#context.api.detailsElsewhere(this.#name)
      this.#problem = ''
    } catch (error: unknown) {
      this.#problem = messageOf(error)
    }
    this.#context.changed()
  }

  show(): TemplateResult {
    const { place, words = [] } = this.#answer ?? {}
    return html`<p><a href="#/dumps">All dumps</a></p>
      <h2 tabindex="-1">Dump ${this.#name}</h2>
      ${alertText(this.#problem)}
      ${place === undefined ? nothing : html`<p>In ${place}</p><pre tabindex="0" aria-label="Dump, without keys and sample">${words.join('\n')}</pre>`}`
  }
}
