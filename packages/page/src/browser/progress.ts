import { html, type TemplateResult } from 'lit-html'

/** How far a piece of work is, for eyes and for screen readers. */
export function progress(
  label: string,
  { done, total }: { readonly done: number; readonly total: number },
): TemplateResult {
  return html`<div class="progress" role="status">
    <progress aria-label=${label} max=${Math.max(1, total)} value=${done}></progress> ${label}: ${done} of ${total}
  </div>`
}

/** Says that something went wrong; empty = nothing did. The element is always there, as screen readers only notice what changes. */
export function alertText(text: string): TemplateResult {
  return html`<p class="alert" role="alert" ?hidden=${text === ''}>${text}</p>`
}
