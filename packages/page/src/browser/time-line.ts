import { html, nothing, type TemplateResult } from 'lit-html'
import type { Tone } from './badge.js'
import { badge } from './badge.js'
import { localTime } from './time.js'

export interface Moment {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly what: string
  readonly tone: Tone
  /** A text or a template. */
  readonly detail?: unknown
}

/** What happened, in the order in which it is given. */
export function timeLine(label: string, moments: readonly Moment[]): TemplateResult {
  return html`<ol class="time-line" aria-label=${label}>${moments.map(
    ({ at, what, tone, detail }) => html`<li>
      <time datetime=${new Date(at).toISOString()}>${localTime(at)}</time>
      <div>${badge(tone, what)} ${detail === undefined ? nothing : html`<span class="detail">${detail}</span>`}</div>
    </li>`,
  )}</ol>`
}
