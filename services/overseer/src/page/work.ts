// Work on dumps: asked for, confirmed, and shown while it goes on.
import { alertText, confirmed, html, nothing, progress, type TemplateResult } from '@cuckoo-distributed/page/browser'
import type { DumpResult } from '../admin/wire.js'
import { type Context, counted, focusOn, messageOf } from './view.js'

export type Action = 'resubmit' | 'delete'

const DOING = { resubmit: 'Resubmitting', delete: 'Deleting' } as const
const MOST_SHOWN = 200

export class Work {
  readonly #context: Context
  #action: Action = 'resubmit'
  #total = 0
  #isRunning = false
  #results: DumpResult[] = []
  #problem = ''

  constructor(context: Context) {
    this.#context = context
  }

  get isRunning(): boolean {
    return this.#isRunning
  }

  /** Nothing is left of what was asked for. */
  get isAllDone(): boolean {
    return this.#results.filter(({ isDone }) => isDone).length === this.#total
  }

  /** Resolves when it has ended, with whether it was begun. */
  async ask(action: Action, names: readonly string[]): Promise<boolean> {
    let to = ''
    const dumps = counted(names.length, 'dump')
    const isMeant = await confirmed(
      action === 'delete'
        ? {
            title: `Delete ${dumps}?`,
            text: 'This cannot be undone. Their analyses have failed in CRITs.',
            action: 'Delete',
            isFinal: true,
          }
        : {
            title: `Resubmit ${dumps}?`,
            text: html`<p>Each goes to the queue where it failed, with a fresh count of tries: ten a second, for as long as this page is open.</p>
              <label>To another queue, if not there <input autocomplete="off" @input=${(event: InputEvent) => {
                if (event.target instanceof HTMLInputElement) to = event.target.value.trim()
              }}></label>`,
            action: 'Resubmit',
          },
    )
    if (isMeant) await this.#run(action, names, to)
    return isMeant
  }

  async #run(action: Action, names: readonly string[], to: string): Promise<void> {
    this.#action = action
    this.#total = names.length
    this.#results = []
    this.#problem = ''
    this.#isRunning = true
    this.#context.changed()
    // The button that was pressed cannot be now, and what it was for may vanish.
    focusOn('#work')
    try {
      for await (const result of this.#context.api.work(action, names, to)) {
        this.#results.push(result)
        this.#context.changed()
      }
    } catch (error: unknown) {
      this.#problem = messageOf(error)
    }
    this.#isRunning = false
    this.#context.changed()
  }

  show(): TemplateResult {
    const results = this.#results.slice(-MOST_SHOWN)
    return html`<div id="work" role="group" aria-label="Work on dumps" tabindex="-1">
      ${alertText(this.#problem)}
      ${this.#total === 0 ? nothing : this.#isRunning ? progress(DOING[this.#action], { done: this.#results.length, total: this.#total }) : html`<p role="status" id="done">${this.#summary()}</p>`}
      ${results.length === 0 ? nothing : html`<ul class="results" aria-label="What became of each">${results.map(({ name, text, isDone }) => html`<li class=${isDone ? '' : 'left'}>${name} ${text}</li>`)}</ul>`}
    </div>`
  }

  #summary(): string {
    const done = this.#results.filter(({ isDone }) => isDone).length
    return `${done} ${this.#action === 'delete' ? 'deleted' : 'sent'}, ${this.#total - done} left`
  }
}
