// Messages that were given up, by their causes.
import {
  alertText,
  badge,
  dataTable,
  html,
  localTime,
  nothing,
  repeat,
  type TemplateResult,
} from '@cuckoo-distributed/page/browser'
import type { DumpCause, DumpLine } from '../admin/wire.js'
import { ElsewherePart } from './elsewhere.js'
import { type Context, counted, dumpLink, messageOf, type View } from './view.js'
import { type Action, Work } from './work.js'

/** Rows of one cause. */
const MOST_ROWS = 200

export class DumpsView implements View {
  readonly title = 'Dumps'
  readonly #context: Context
  readonly #work: Work
  readonly #elsewhere: ElsewherePart
  readonly #chosen = new Set<string>()
  #filters: Readonly<Record<string, string>> = {}
  #causes: readonly DumpCause[] | undefined
  #problem = ''

  constructor(context: Context) {
    this.#context = context
    this.#work = new Work(context)
    this.#elsewhere = new ElsewherePart(context)
  }

  async refresh(): Promise<void> {
    const filters = this.#filters
    void this.#elsewhere.refresh(filters)
    try {
      const causes = await this.#context.api.causes(filters)
      if (filters !== this.#filters) return
      this.#causes = causes
      this.#problem = ''
      const there = new Set(causes.flatMap(({ dumps }) => dumps.map(({ name }) => name)))
      for (const name of this.#chosen) if (!there.has(name)) this.#chosen.delete(name)
    } catch (error: unknown) {
      this.#problem = messageOf(error)
    }
    this.#context.changed()
  }

  show(): TemplateResult {
    const chosen = [...this.#chosen]
    return html`<h2 tabindex="-1">Dumps</h2>
      <form role="search" @submit=${(event: SubmitEvent) => this.#filter(event)}>
        <label>Text <input name="text" type="search" autocomplete="off"></label>
        <label>MD5 or analysis <input name="analysis" type="search" autocomplete="off" spellcheck="false"></label>
        <label>Not older than <input name="newer" size="6" placeholder="2h" autocomplete="off"></label>
        <button>Filter</button>
      </form>
      ${alertText(this.#problem)}
      ${this.#work.show()}
      ${chosen.length === 0 ? nothing : html`<div class="chosen">${counted(chosen.length, 'dump')} chosen ${this.#buttons(chosen, 'chosen')}</div>`}
      ${this.#causes === undefined ? html`<p class="muted">Reading …</p>` : this.#causes.length === 0 ? html`<p id="no-dumps">No dumps.</p>` : repeat(this.#causes, keyOf, cause => this.#cause(cause))}
      ${this.#elsewhere.show()}`
  }

  #filter(event: SubmitEvent): void {
    event.preventDefault()
    if (!(event.currentTarget instanceof HTMLFormElement)) return
    const fields = [...new FormData(event.currentTarget)].map(([name, value]) => [name, String(value).trim()] as const)
    this.#filters = Object.fromEntries(fields.filter(([, value]) => value !== ''))
    void this.refresh()
  }

  #cause({ code, service, oldest, newest, error, advice, dumps }: DumpCause): TemplateResult {
    const title = `${code}${service && ` in ${service}`}`
    return html`<section class="cause" data-code=${code} aria-label=${title}>
      <h3>${dumps.length} × ${title}</h3>
      <p class="muted">${localTime(oldest)}${dumps.length > 1 ? ` to ${localTime(newest)}` : ''}</p>
      <p>${error}</p>
      <p><strong>To do:</strong> ${advice}</p>
      ${this.#buttons(
        dumps.map(({ name }) => name),
        'all',
      )}
      <details ?open=${dumps.length <= 10}><summary>${counted(dumps.length, 'dump')}</summary>
        ${dataTable({
          label: `Dumps: ${title}`,
          columns: [
            { title: 'Dump', cell: dump => this.#name(dump) },
            { title: 'Failed', cell: ({ at }) => localTime(at) },
            { title: 'Queue', cell: ({ queue }) => queue },
            { title: 'Tries', isNumber: true, cell: ({ attempts }) => attempts },
            { title: 'State', cell: stateOf },
          ],
          rows: dumps.slice(0, MOST_ROWS),
          key: ({ name }) => name,
          empty: '',
        })}
        ${dumps.length > MOST_ROWS ? html`<p class="muted">and ${dumps.length - MOST_ROWS} more: filter to see them</p>` : nothing}
      </details>
    </section>`
  }

  #name({ name }: DumpLine): TemplateResult {
    if (this.#context.overview()?.isReadOnly !== false) return html`<a href=${dumpLink(name)}>${name}</a>`
    const choose = (event: Event) => {
      if (!(event.target instanceof HTMLInputElement)) return
      if (event.target.checked) this.#chosen.add(name)
      else this.#chosen.delete(name)
      this.#context.changed()
    }
    return html`<input type="checkbox" aria-label=${`Choose ${name}`} .checked=${this.#chosen.has(name)} @change=${choose}>
      <a href=${dumpLink(name)}>${name}</a>`
  }

  #buttons(names: readonly string[], which: string): TemplateResult | typeof nothing {
    if (this.#context.overview()?.isReadOnly !== false) return nothing
    const act = (action: Action) => async () => {
      if (await this.#work.ask(action, names)) await this.refresh()
    }
    return html`<div class="buttons">
      <button type="button" ?disabled=${this.#work.isRunning} @click=${act('resubmit')}>Resubmit ${which}</button>
      <button type="button" class="final" ?disabled=${this.#work.isRunning} @click=${act('delete')}>Delete ${which}</button>
    </div>`
  }
}

function keyOf({ code, service }: DumpCause): string {
  return `${service} ${code}`
}

function stateOf({ isInHands, isPerhapsSent }: DumpLine): unknown {
  if (isPerhapsSent) return badge('warn', 'perhaps sent')
  return isInHands ? badge('busy', 'in hands') : undefined
}
