import { html, type TemplateResult } from 'lit-html'

export type Tone = 'good' | 'busy' | 'warn' | 'bad' | 'idle'

const SIGNS: Readonly<Record<Tone, string>> = { good: '●', busy: '◐', warn: '▲', bad: '■', idle: '○' }

/** A state, told by its text, a sign and a colour. */
export function badge(tone: Tone, text: string): TemplateResult {
  return html`<span class="badge ${tone}"><span aria-hidden="true">${SIGNS[tone]}</span> ${text}</span>`
}
