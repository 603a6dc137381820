import { html, render } from 'lit-html'

export interface Confirmation {
  /** The question. */
  readonly title: string
  /** What will happen: a text or a template. */
  readonly text: unknown
  /** What the button says that does it. */
  readonly action: string
  /** Nothing brings it back. */
  readonly isFinal?: boolean
}

/** Asks in a modal dialog. Escape and the first button, which has the focus, mean no. */
export async function confirmed({ title, text, action, isFinal = false }: Confirmation): Promise<boolean> {
  const dialog = document.body.appendChild(document.createElement('dialog'))
  dialog.setAttribute('aria-labelledby', 'confirm-title')
  dialog.setAttribute('aria-describedby', 'confirm-text')
  const close = (answer: string) => () => dialog.close(answer)
  render(
    html`<h2 id="confirm-title">${title}</h2>
      <div id="confirm-text">${text}</div>
      <div class="buttons">
        <button type="button" @click=${close('no')}>Cancel</button>
        <button type="button" class=${isFinal ? 'final' : 'primary'} @click=${close('yes')}>${action}</button>
      </div>`,
    dialog,
  )
  const closed = new Promise<void>(resolve => dialog.addEventListener('close', () => resolve(), { once: true }))
  dialog.showModal()
  await closed
  dialog.remove()
  return dialog.returnValue === 'yes'
}
