import { html, nothing, type TemplateResult } from 'lit-html'
import { badge } from './badge.js'
import type { Connection, Session } from './session.js'

export interface Header {
  readonly title: string
  readonly session: Session
  /** Called when the user has given a token. */
  readonly onToken: () => void
  /** What stands beside the title, such as links to the parts of the page. */
  readonly beside?: unknown
}

/** The top of the page: its title, whether the server can be reached, and where the token is asked for. */
export function pageHeader({ title, session, onToken, beside }: Header): TemplateResult {
  const { connection } = session
  return html`<header>
    <div class="top">
      <h1>${title}</h1>
      ${beside ?? nothing}
      <span id="connection" role="status" data-state=${connection.state}>${connectionBadge(connection)}</span>
    </div>
    ${asksForToken(connection) ? tokenForm(session, onToken) : nothing}
  </header>`
}

/** The form stays while a token is tried, so that the focus does. */
function asksForToken(connection: Connection): boolean {
  return connection.state === 'token' || (connection.state === 'connecting' && connection.withToken)
}

function connectionBadge(connection: Connection): TemplateResult {
  switch (connection.state) {
    case 'connecting':
      return badge('busy', 'connecting')
    case 'connected':
      return badge('good', 'connected')
    case 'away':
      return badge('bad', 'the server does not answer')
    case 'token':
      return connection.isWrong ? badge('bad', 'wrong token') : badge('warn', 'token wanted')
  }
}

function tokenForm(session: Session, onToken: () => void): TemplateResult {
  const { connection } = session
  const isWrong = connection.state === 'token' && connection.isWrong
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    const form = event.currentTarget
    if (!(form instanceof HTMLFormElement)) return
    const token = new FormData(form).get('token')
    if (typeof token !== 'string' || token.trim() === '') return
    form.reset()
    session.useToken(token)
    onToken()
  }
  return html`<form id="login" @submit=${submit}>
    <label>Token <input name="token" type="password" autocomplete="off" required aria-invalid=${isWrong} aria-describedby="token-problem"></label>
    <button class="primary">Show</button>
    <p id="token-problem" class="alert" role="alert" ?hidden=${!isWrong}>${isWrong ? 'The server rejects this token.' : ''}</p>
  </form>`
}
