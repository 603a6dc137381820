// One dump: what happened at each try, its message, and what can be done with it.
import { alertText, html, nothing, type TemplateResult, timeLine } from '@cuckoo-distributed/page/browser'
import type { DumpText } from '../admin/wire.js'
import type { Details } from '../dumps/show.js'
import { type Context, focusOn, messageOf, sampleLink, type View } from './view.js'
import { type Action, Work } from './work.js'

export class DumpView implements View {
  readonly title: string
  readonly #context: Context
  readonly #name: string
  readonly #work: Work
  #details: Details | undefined
  #isGone = false
  #edited: DumpText | undefined
  #problem = ''
  #note = ''

  constructor(context: Context, name: string) {
    this.title = `Dump ${name}`
    this.#context = context
    this.#name = name
    this.#work = new Work(context)
  }

  async refresh(): Promise<void> {
    if (this.#isGone || this.#edited) return
    await this.#try(async () => {
      this.#details = await this.#context.api.details(this.#name)
    })
  }

  show(): TemplateResult {
    const details = this.#details
    return html`<p><a href="#/dumps">All dumps</a></p>
      <h2 tabindex="-1">Dump ${this.#name}</h2>
      ${alertText(this.#problem)}
      <p role="status" ?hidden=${this.#note === ''}>${this.#note}</p>
      ${this.#work.show()}
      ${details === undefined ? nothing : html`${this.#buttons()}${this.#edited ? this.#editor(this.#edited) : nothing}${detailsOf(details)}`}`
  }

  async #try(work: () => Promise<void>): Promise<void> {
    try {
      await work()
      this.#problem = ''
    } catch (error: unknown) {
      this.#problem = messageOf(error)
    }
    this.#context.changed()
  }

  #buttons(): TemplateResult | typeof nothing {
    if (this.#context.overview()?.isReadOnly !== false || this.#isGone) return nothing
    const isBusy = this.#work.isRunning || this.#edited !== undefined
    const act = (action: Action) => async () => {
      if (!(await this.#work.ask(action, [this.#name]))) return
      this.#isGone = this.#work.isAllDone
      this.#context.changed()
    }
    const edit = async () => {
      await this.#try(async () => {
        this.#note = ''
        this.#edited = await this.#context.api.text(this.#name)
      })
      focusOn('#text')
    }
    return html`<div class="buttons">
      <button type="button" class="primary" ?disabled=${isBusy} @click=${act('resubmit')}>Resubmit</button>
      <button type="button" id="edit" ?disabled=${isBusy} @click=${edit}>Edit</button>
      <button type="button" class="final" ?disabled=${isBusy} @click=${act('delete')}>Delete</button>
    </div>`
  }

  #editor(edited: DumpText): TemplateResult {
    const leave = () => {
      this.#edited = undefined
      this.#problem = ''
      this.#context.changed()
      focusOn('#edit')
    }
    const save = async (event: SubmitEvent) => {
      event.preventDefault()
      if (!(event.currentTarget instanceof HTMLFormElement)) return
      const text = String(new FormData(event.currentTarget).get('text'))
      await this.#try(async () => {
        const isChanged = await this.#context.api.edit(this.#name, { ...edited, text: text.replaceAll('\r\n', '\n') })
        this.#edited = undefined
        this.#note = isChanged ? 'Changed. Resubmit sends it.' : 'Nothing was changed.'
        this.#details = await this.#context.api.details(this.#name)
      })
      focusOn(this.#edited ? '#text' : '#edit')
    }
    return html`<form class="editor" @submit=${save}>
      <label for="text">Queue and message; keys and sample stay where the placeholders are</label>
      <textarea id="text" name="text" rows="18" spellcheck="false" aria-invalid=${this.#problem !== ''} .value=${edited.text}></textarea>
      <div class="buttons"><button class="primary">Save</button><button type="button" @click=${leave}>Cancel</button></div>
    </form>`
  }
}

function detailsOf(details: Details): TemplateResult {
  const { service, queue, code, error, attempts, history = [], resubmissions, sending, analysis, taskId } = details
  const facts: [string, unknown][] = [
    ['Failed', `${details.failedAt}${service === undefined ? '' : ` in ${service}`}`],
    ['Queue', queue],
    ['Code', code],
    ['Error', error],
    ['Tries', attempts],
    ['To do', details.advice],
    [
      'Analysis',
      analysis &&
        html`<a href=${sampleLink(analysis.analysisId)}>${analysis.analysisId}</a>, ${analysis.objectType} ${analysis.md5 || analysis.objectId}, user ${analysis.username}`,
    ],
    ['Task', taskId],
    ['Bytes', details.bytes],
    [
      'Perhaps sent',
      sending &&
        `a resubmission by ${sending.by} at ${sending.at} has not finished: the message may be in ${sending.queue}`,
    ],
    [
      'Resubmitted',
      resubmissions &&
        `${resubmissions.count} times, the last: ${resubmissions.last.map(({ at, by }) => `${at} by ${by}`).join(', ')}`,
    ],
    ['In hands', details.inHands ? 'someone is sending, editing or deleting it' : undefined],
  ]
  return html`<dl class="about">${facts.filter(([, fact]) => fact !== undefined).map(([title, fact]) => html`<div><dt>${title}</dt><dd>${fact}</dd></div>`)}</dl>
    <h3>Each try</h3>
    ${timeLine(
      'Each try',
      history.map(entry => ({ at: Date.parse(entry.at), what: entry.service, tone: 'bad', detail: entry.error })),
    )}
    ${details.message === undefined ? nothing : html`<h3>Message</h3><pre tabindex="0" aria-label="Message, without keys and sample">${details.message}</pre>`}`
}
