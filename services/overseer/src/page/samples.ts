// What became of a sample.
import {
  alertText,
  badge,
  html,
  localTime,
  nothing,
  type TemplateResult,
  type Tone,
  timeLine,
} from '@cuckoo-distributed/page/browser'
import type { SampleAnswer, SampleLife } from '../admin/wire.js'
import { type Context, counted, messageOf, sampleLink, type View } from './view.js'

const TONES: Readonly<Record<string, Tone>> = {
  complete: 'good',
  done: 'good',
  stored: 'good',
  dumped: 'bad',
  failed: 'bad',
  retry: 'warn',
  'retry due': 'warn',
  'shared cause': 'warn',
  'waits for its cause': 'warn',
  waiting: 'warn',
}

export class SampleView implements View {
  readonly title = 'Samples'
  readonly #context: Context
  readonly #what: string
  #answer: SampleAnswer | undefined
  #problem = ''

  constructor(context: Context, what: string) {
    this.#context = context
    this.#what = what
  }

  async refresh(): Promise<void> {
    if (this.#what === '') return
    try {
      this.#answer = await this.#context.api.samples(this.#what)
      this.#problem = ''
    } catch (error: unknown) {
      this.#problem = messageOf(error)
    }
    this.#context.changed()
  }

  show(): TemplateResult {
    return html`<h2 tabindex="-1">Samples</h2>
      <form role="search" @submit=${search}>
        <label>MD5, analysis id or task number
          <input name="what" type="search" autocomplete="off" spellcheck="false" size="34" required .value=${this.#what}></label>
        <button class="primary">Search</button>
      </form>
      ${alertText(this.#problem)}
      <div aria-live="polite">${this.#what === '' ? nothing : this.#answer ? answerOf(this.#answer) : html`<p class="muted">Searching …</p>`}</div>`
  }
}

function search(event: SubmitEvent): void {
  event.preventDefault()
  if (!(event.currentTarget instanceof HTMLFormElement)) return
  const what = new FormData(event.currentTarget).get('what')
  if (typeof what === 'string' && what.trim() !== '') location.hash = sampleLink(what.trim())
}

function answerOf({ found, notFound, remarks }: SampleAnswer): TemplateResult {
  return html`${found.map(({ what, lives }) =>
    lives.length === 0 ? html`<p id="not-found"><strong>${what}</strong>: ${notFound}</p>` : lives.map(lifeOf),
  )}
  ${remarks.length === 0 ? nothing : html`<h3>What may be missing</h3><ul>${remarks.map(remark => html`<li>${remark}</li>`)}</ul>`}`
}

function lifeOf({ analysis, md5s, tasks, now, messages, untold, moments }: SampleLife): TemplateResult {
  const inQueue = messages === undefined ? '' : ` (${counted(messages, 'message')} there)`
  return html`<article>
    <h3>Analysis ${analysis ?? '(not told)'}</h3>
    <p class="now" data-state=${now.state}>${badge(TONES[now.state] ?? 'busy', now.state)} ${now.text}${inQueue}, since ${localTime(now.since)}</p>
    <p class="muted">${md5s.length > 0 ? `MD5 ${md5s.join(', ')}` : 'MD5 not told'}${tasks.length > 0 ? `; task ${tasks.join(', ')}` : ''}</p>
    ${timeLine(
      `What happened in analysis ${analysis ?? ''}`,
      moments.map(({ at, by, event, text }) => ({
        at,
        what: event,
        tone: TONES[event] ?? 'idle',
        detail: html`${text} <span class="muted">${by}</span>`,
      })),
    )}
    ${untold.map(queue => html`<p>Journal incomplete here: nobody has told who filled “${queue}”.</p>`)}
  </article>`
}
